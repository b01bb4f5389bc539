//! The text notation: a process in a line, for tests that read as sentences.

mod args;
mod kinds;
mod syntax;

use std::collections::{BTreeMap, BTreeSet};

use crate::draft::Draft;
use crate::model::{Element, ElementIdx, Kind, Model, Text};
use crate::problem::Problem;
use syntax::{Condition, Mention, Path, Step};

/// Builds a model with one executable process, `process`, from the text notation; it panics with line, column and remedy when the
/// text is wrong, because the text is part of a test. [`parse`] returns the problem.
///
/// # Paths
///
/// `>` leads on, `( … | … )` splits into branches that all lead to what follows, `;` begins another path.
///
/// ```
/// # use botswain_bpmn::build;
/// build("start > fork:and > (pick:job | pack:job) > join:and > end");
/// ```
///
/// An element is introduced once as `id:kind`; its bare id means the same element anywhere else. A branch that ends with an end
/// event, or by mentioning an element, does not lead to what follows. `start…` and `end…` need no kind. Inside of a sub-process
/// `sub` their ids become `sub.start` and `sub.end`; all other ids are taken as they are written.
///
/// ```
/// # use botswain_bpmn::build;
/// build("start > try:job > good:xor > ([again] try | [else] end)");
/// build("start > sub:{ start > a:job > end } > end");
/// ```
///
/// `[expression]` is the condition of the flow that follows, and `[else]` makes it the default flow:
///
/// ```
/// # use botswain_bpmn::build;
/// build("start > big:xor > ([amount > 100] check:user | [else]) > checked:xor > end");
/// ```
///
/// # Kinds
///
/// | kind | what |
/// |---|---|
/// | `job(type=x, retries=2, priority=50)` | a service task; its type is its id unless it says another; `send` and `scriptjob` likewise |
/// | `script(expression -> variable)` | a script task with FEEL |
/// | `user(assignee=, groups=, users=, due=, follow-up=, priority=, form=)` | a native user task; with `job` a job-based one |
/// | `manual`, `task` | a manual, an undefined task |
/// | `rule(decision -> variable)`, `rule(type=x)` | a business rule task |
/// | `receive(name, key=expression)` | a receive task; `instantiate` |
/// | `call(process, all-out=false, all-in=false, tag=)` | a call activity |
/// | `{ … }`, `event{ … }`, `transaction{ … }`, `adhoc{ … }` | sub-processes |
/// | `xor`, `and`, `or`, `event`, `complex(condition)` | gateways |
/// | `timer(PT5M)`, `message(name, key=expression)`, `signal(name)`, `condition(expression)`, `link(name)` | an event that waits |
/// | `catch(…)`, `throw(…)`, `start(…)`, `end(…)` | an event with any triggers: `timer=`, `message=` (with `key=` or `type=`), `signal=`, `error=`, `escalation=`, `condition=`, `link=`, `compensate`, `terminate`, `cancel` |
///
/// A value that begins with `=` is FEEL (`job(type==kind)`); expressions need no `=`. A timer is a date, a duration (`P…`) or a
/// cycle (`R…`) by its form, or as `timer(date==due)`, `timer(duration=…)`, `timer(cycle=…)`. Text with commas is quoted.
///
/// # What activities can have
///
/// `in variable = expression`, `out variable = expression`, `header key = value`; `each item in items` (side by side) or
/// `seq item in items` (one after another), `times 3`, `collect results = expression`, `until expression`; `while expression` and
/// `max 3` for the standard loop; `compensation`.
///
/// ```
/// # use botswain_bpmn::build;
/// build("start > pack:job(each item in order.items, collect weights = weight, out heavy = sum(weights) > 30) > end");
/// ```
///
/// # Boundary events and event sub-processes
///
/// `host@id:kind(…)` begins a path at a boundary event; without an id it is `host.kind`. `non-interrupting` is an argument.
/// From `compensate` an association leads to the handler.
///
/// ```
/// # use botswain_bpmn::build;
/// build("start > pick:job > end;
///        pick@late:timer(PT1H, non-interrupting) > remind:job > end;
///        pick@error(SOLD-OUT) > sorry:end(error=NO-ORDER)");
/// build("start > pay:job > end; pay@compensate > refund:job");
/// build("start > a:job > end; stop:event{ begin:start(message=stop, key=id) > end }");
/// ```
#[must_use]
#[track_caller]
pub fn build(text: &str) -> Model {
    match parse(text) {
        Ok(model) => model,
        Err(problem) => panic!("the process is not written as it should be: {problem}\n{text}"),
    }
}

/// Builds a model with one executable process, `process`, from the text notation that [`build`] describes.
pub fn parse(text: &str) -> Result<Model, Box<Problem>> {
    let paths = syntax::parse(text)?;
    let mut drawing = Drawing {
        text,
        draft: Draft::new("process"),
        hosts: Vec::new(),
    };
    let names = drawing.introduce(&paths, None)?;
    drawing.attach()?;
    drawing.connect(&paths, &names)?;
    Ok(drawing.draft.finish())
}

/// The names of one scope, and of the scopes inside of it.
#[derive(Default)]
struct Names {
    scope: Option<ElementIdx>,
    here: BTreeMap<String, ElementIdx>,
    inside: BTreeMap<ElementIdx, Names>,
}

struct Drawing<'a> {
    text: &'a str,
    draft: Draft,
    hosts: Vec<(ElementIdx, Option<ElementIdx>, &'a str, usize)>,
}

/// Where a path goes on from: an element, and the condition of the flow that leaves it.
type Ends<'a> = Vec<(ElementIdx, Option<&'a Condition<'a>>)>;

impl<'a> Drawing<'a> {
    /// Adds all elements of a scope, so that paths can mention what is introduced further on.
    fn introduce(
        &mut self,
        paths: &[Path<'a>],
        scope: Option<ElementIdx>,
    ) -> Result<Names, Box<Problem>> {
        let mut names = Names {
            scope,
            ..Names::default()
        };
        let mentions = mentions(paths);
        let with_kind: BTreeSet<&str> = mentions
            .iter()
            .filter(|mention| mention.kind.is_some())
            .map(|mention| mention.name.as_str())
            .collect();
        for mention in mentions {
            if mention.kind.is_some() {
                self.introduce_one(mention, &mut names)?;
            } else if !with_kind.contains(mention.name.as_str())
                && !names.here.contains_key(&mention.name)
            {
                self.introduce_by_name(mention, &mut names)?;
            }
        }
        Ok(names)
    }

    fn introduce_by_name(
        &mut self,
        mention: &Mention<'a>,
        names: &mut Names,
    ) -> Result<(), Box<Problem>> {
        let Some(kind) = kinds::by_name(&mention.name) else {
            let message = format!("`{}` is not introduced in this scope", mention.name);
            return Err(problem(
                self.text,
                mention.at,
                message,
                "introduce it once with its kind, such as `pick:job`",
            ));
        };
        let id = match names.scope {
            Some(scope) => format!("{}.{}", self.draft.element(scope).id, mention.name),
            None => mention.name.clone(),
        };
        let idx = self.add(names.scope, Element::new(id, kind), mention.at)?;
        names.here.insert(mention.name.clone(), idx);
        Ok(())
    }

    fn introduce_one(
        &mut self,
        mention: &Mention<'a>,
        names: &mut Names,
    ) -> Result<(), Box<Problem>> {
        let Some(kind) = &mention.kind else {
            return Ok(());
        };
        let element = kinds::introduced(self.text, &mut self.draft, mention, kind)?;
        let idx = self.add(names.scope, element, mention.at)?;
        names.here.insert(mention.name.clone(), idx);
        if let Some(host) = mention.host {
            self.hosts.push((idx, names.scope, host, mention.at));
        }
        if let Some(body) = &kind.body {
            let inside = self.introduce(body, Some(idx))?;
            names.inside.insert(idx, inside);
        }
        Ok(())
    }

    fn add(
        &mut self,
        scope: Option<ElementIdx>,
        element: Element,
        at: usize,
    ) -> Result<ElementIdx, Box<Problem>> {
        self.draft
            .add(scope, element)
            .map_err(|message| problem(self.text, at, message, "give it another id"))
    }

    fn attach(&mut self) -> Result<(), Box<Problem>> {
        for (boundary, scope, host, at) in std::mem::take(&mut self.hosts) {
            let found = self.draft.find(host).filter(|idx| {
                let host = self.draft.element(*idx);
                host.parent == scope && host.kind.is_activity()
            });
            let Some(found) = found else {
                let message = format!("there is no activity `{host}` in this scope");
                return Err(problem(
                    self.text,
                    at,
                    message,
                    "attach the boundary event to an activity beside it",
                ));
            };
            if let Kind::Boundary { attached_to, .. } = &mut self.draft.element_mut(boundary).kind {
                *attached_to = found;
            }
        }
        Ok(())
    }

    fn connect(&mut self, paths: &[Path<'a>], names: &Names) -> Result<(), Box<Problem>> {
        for path in paths {
            self.connect_path(path, names, Vec::new())?;
        }
        Ok(())
    }

    fn connect_path<'b>(
        &mut self,
        path: &'b Path<'a>,
        names: &Names,
        from: Ends<'b>,
    ) -> Result<Ends<'b>, Box<Problem>> {
        let mut ends = from;
        for step in path {
            match step {
                Step::Condition(condition) => {
                    ends.iter_mut().for_each(|end| end.1 = Some(condition))
                }
                Step::Branches(branches) => {
                    let mut all = Vec::new();
                    for branch in branches {
                        all.extend(self.connect_path(branch, names, ends.clone())?);
                    }
                    ends = all;
                }
                Step::Mention(mention) => {
                    let idx = names.here[&mention.name];
                    for (source, condition) in ends {
                        self.connect_two(source, idx, condition)?;
                    }
                    let stops = matches!(self.draft.element(idx).kind, Kind::EndEvent { .. });
                    ends = if stops { Vec::new() } else { vec![(idx, None)] };
                    if let (Some(body), Some(inside)) = (
                        mention.kind.as_ref().and_then(|kind| kind.body.as_ref()),
                        names.inside.get(&idx),
                    ) {
                        self.connect(body, inside)?;
                    }
                }
            }
        }
        // A branch that only mentions an element jumps there.
        if let [.., Step::Mention(mention)] = path.as_slice()
            && mention.kind.is_none()
        {
            ends.clear();
        }
        Ok(ends)
    }

    fn connect_two(
        &mut self,
        source: ElementIdx,
        target: ElementIdx,
        condition: Option<&Condition<'_>>,
    ) -> Result<(), Box<Problem>> {
        let flow = self.draft.connect(source, target);
        match (flow, condition) {
            (_, None) => {}
            (Some(flow), Some(Condition::Otherwise { at })) => {
                if self.draft.element(source).default_flow.is_some() {
                    let message =
                        format!("`{}` has two default flows", self.draft.element(source).id);
                    return Err(problem(
                        self.text,
                        *at,
                        message,
                        "write `[else]` before one branch only",
                    ));
                }
                self.draft.element_mut(source).default_flow = Some(flow);
            }
            (Some(flow), Some(Condition::When { feel })) => {
                self.draft.flow_mut(flow).condition = Some(Text::Feel((*feel).to_owned()))
            }
            (None, Some(_)) => {
                let message = "a compensation handler can't have a condition".to_owned();
                return Err(problem(self.text, 0, message, "leave the condition out"));
            }
        }
        Ok(())
    }
}

/// Lists what is mentioned directly in a scope, in the order of the text.
fn mentions<'b, 'a>(paths: &'b [Path<'a>]) -> Vec<&'b Mention<'a>> {
    let mut found = Vec::new();
    for step in paths.iter().flatten() {
        match step {
            Step::Mention(mention) => found.push(&**mention),
            Step::Branches(branches) => found.extend(mentions(branches)),
            Step::Condition(_) => {}
        }
    }
    found
}

/// Makes a problem at a place of the text.
fn problem(text: &str, at: usize, message: String, remedy: &str) -> Box<Problem> {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Box::new(Problem {
        code: "notation",
        element: None,
        line: before.matches('\n').count() as u32 + 1,
        column: before[line_start..].chars().count() as u32 + 1,
        message,
        remedy: remedy.to_owned(),
    })
}

#[cfg(test)]
mod tests;
