// A little comfort; every page works without it.
(function () {
  var wrong = document.querySelector("[aria-invalid=true]");
  var first = wrong || document.querySelector("#user, #name, #q");
  if (first) { first.focus(); }
})();
