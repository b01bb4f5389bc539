//! Authentication: who may come in, and from where.

use super::ApiState;
use super::problem::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

/// Lets in whoever presents the token; without a token (dev mode) whoever is on this machine and is no page of another site.
pub(crate) async fn check(State(api): State<ApiState>, request: Request, next: Next) -> Response {
    match admit(&api, request.headers(), request.uri()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn admit(api: &ApiState, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let Some(token) = &api.token else {
        return is_local(headers, uri);
    };
    let presented = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    match presented {
        Some(presented) if same(presented, token) => Ok(()),
        Some(_) => Err(unauthorized(
            "the bearer token is not the one of this coordinator",
        )),
        None => Err(unauthorized("the request carries no bearer token")),
    }
}

fn unauthorized(found: &str) -> Problem {
    let detail = format!(
        "{found}: send the header Authorization: Bearer TOKEN with the token that was printed at the coordinator's first start \
         (for the command line: --token or BOTSWAIN_TOKEN)"
    );
    Problem::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", detail)
}

/// Compares digests, so that how long it takes tells nothing about where two tokens differ.
fn same(presented: &str, token: &str) -> bool {
    let (presented, token) = (Sha256::digest(presented), Sha256::digest(token));
    presented
        .iter()
        .zip(&token)
        .fold(0, |differ, (a, b)| differ | (a ^ b))
        == 0
}

/// Without a token a browser on this machine would carry in any page that it shows, under its own name or a rebound one.
fn is_local(headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST).or_else(|| uri.authority().map(|authority| authority.as_str()));
    let foreign = |what: &str, found: &str| {
        let detail = format!(
            "{what} is {found:?}: without a token only this machine is served, under 127.0.0.1, [::1] or localhost; \
             start the coordinator without --dev to use a token"
        );
        Problem::new(StatusCode::FORBIDDEN, "FORBIDDEN", detail)
    };
    if let Some(host) = host.filter(|host| !is_loopback(host)) {
        return Err(foreign("the host", host));
    }
    match text(header::ORIGIN) {
        Some(origin) if !is_loopback(origin.split_once("://").map_or(origin, |(_, host)| host)) => {
            Err(foreign("the origin", origin))
        }
        _ => Ok(()),
    }
}

fn is_loopback(authority: &str) -> bool {
    let name = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority
            .rsplit_once(':')
            .map_or(authority, |(name, _)| name),
    };
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for name in [
            "localhost",
            "localhost:8080",
            "127.0.0.1:1",
            "[::1]:8080",
            "127.9.9.9",
        ] {
            assert!(is_loopback(name), "{name}");
        }
        for name in [
            "evil.example",
            "localhost.evil.example:80",
            "10.0.0.1:8080",
            "",
            "[fe80::1]:1",
        ] {
            assert!(!is_loopback(name), "{name}");
        }
    }

    #[test]
    fn only_the_same_token_is_the_same() {
        assert!(same("abc", "abc"));
        assert!(!same("abc", "abd"));
        assert!(!same("", "abc"));
    }
}
