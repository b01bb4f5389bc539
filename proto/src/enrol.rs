//! Enrolment: how a machine becomes an agent, with a token that works once and names the coordinator it trusts.
//!
//! `POST /enrol` over HTTPS on the agents' port, body `Request`, answer `Response` (200) or `Refusal` (4xx).
//! The server sends its own CA certificate at the end of its chain; the agent trusts it because the token carries its
//! fingerprint, so that there is no moment of trust on first use.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{AgentId, Digest};

/// Path of the enrolment request.
pub const PATH: &str = "/enrol";
/// Largest body of request and response.
pub const BODY_MAX_BYTES: usize = 64 * 1024;
/// First part of every token's text.
pub const PREFIX: &str = "botswain1";
/// Bytes of chance in a secret.
pub const SECRET_BYTES: usize = 32;

/// A one-time token: `botswain1.<secret>.<SHA-256 of the CA's certificate>`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// What the coordinator knows the hash of: letters, digits, `_` and `-`.
    pub secret: String,
    /// Fingerprint of the coordinator's CA certificate (DER).
    pub ca: Digest,
}

/// A text that is not a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an enrolment token ({PREFIX}.….…, as printed by `botswain agent-token`), {0}")]
pub struct TokenError(&'static str);

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let mut parts = text.trim().split('.');
        let (Some(prefix), Some(secret), Some(ca), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TokenError("found something without three parts"));
        };
        if prefix != PREFIX {
            return Err(TokenError("found another prefix"));
        }
        let fits = (16..=128).contains(&secret.len())
            && secret
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        if !fits {
            return Err(TokenError(
                "found a secret that is too short, too long, or has other characters",
            ));
        }
        let ca = ca
            .parse()
            .map_err(|_| TokenError("found a fingerprint that is not 64 hexadecimal digits"))?;
        Ok(Self {
            secret: secret.to_owned(),
            ca,
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}.{}.{}", self.secret, self.ca)
    }
}

// A token in a log would be a key under the mat.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({PREFIX}.….{})", self.ca)
    }
}

/// What a machine sends to become an agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The whole token as printed.
    pub token: String,
    /// Certificate request (PKCS #10, PEM); the key stays on the machine.
    pub csr_pem: String,
    /// What the machine says about itself.
    pub facts: Facts,
}

/// What a machine says about itself when it enrols; advisory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Name the agent wishes; the coordinator makes it unique.
    pub name: String,
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// Version of the agent program.
    pub version: String,
    /// Labels, `key=value`.
    #[serde(default)]
    pub labels: Vec<String>,
}

/// What the coordinator gives to a new agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Response {
    /// The agent's name from here on; common name of its certificate.
    pub agent_id: AgentId,
    /// The agent's certificate and its issuers, leaf first (PEM).
    pub chain_pem: String,
    /// The CA certificate whose fingerprint the token carried (PEM).
    pub ca_pem: String,
}

/// Why enrolment was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable word: `unknown_token`, `used_token`, `expired_token`, `invalid_request`.
    pub code: String,
    /// What to do about it.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(), &str>) {
        match (text.parse::<Token>(), expected) {
            (Ok(token), Ok(())) => assert_eq!(token.to_string(), text.trim()),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (found, expected) => panic!("{text}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_token_reads_what_it_writes() {
        let ca = Digest::of(b"ca");
        check(&format!("botswain1.abcDEF123_-abcdefg.{ca}"), Ok(()));
        check(&format!("  botswain1.abcDEF123_-abcdefg.{ca}\n"), Ok(()));
    }

    #[test]
    fn what_is_no_token_is_refused_with_its_reason() {
        let ca = Digest::of(b"ca");
        check("", Err("three parts"));
        check("botswain1.abc", Err("three parts"));
        check(&format!("botswain2.abcdefghijklmnop.{ca}"), Err("prefix"));
        check(&format!("botswain1.short.{ca}"), Err("secret"));
        check("botswain1.abcdefghijklmnop.123", Err("fingerprint"));
    }

    #[test]
    fn a_token_is_never_printed_whole_by_accident() {
        let token = Token {
            secret: "abcdefghijklmnop".to_owned(),
            ca: Digest::of(b"ca"),
        };
        assert!(!format!("{token:?}").contains("abcdefghijklmnop"));
    }
}
