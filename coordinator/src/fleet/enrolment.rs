//! Enrolment: one-time tokens, and what is checked before a machine becomes an agent.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use botswain_engine::event::Millis;
use botswain_proto::enrol::{BODY_MAX_BYTES, Facts, Refusal, Request, SECRET_BYTES, Token};
use botswain_proto::ids::{AgentId, Digest};
use botswain_proto::limits::{LIST_MAX, NAME_MAX_BYTES};
use rcgen::{CertificateSigningRequestParams, PublicKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// What the agents that a token makes are given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TokenScope {
    /// Labels that the agent cannot change.
    pub labels: Vec<SmolStr>,
    /// For people.
    pub note: String,
}

/// A token as it is stored: without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredToken {
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// Not good any more from then on.
    pub expires_at: Millis,
    /// How many machines it still enrols. It stays stored at 0 until it expires, so that a second use is told apart.
    pub uses_left: u32,
}

/// Makes a token: the text that is printed once, and what is stored of it.
///
/// # Errors
/// The system gives no random numbers.
pub fn mint(
    ca: Digest,
    expires_at: Millis,
    uses: u32,
) -> Result<(Token, StoredToken), super::CaError> {
    let mut secret = [0; SECRET_BYTES];
    SystemRandom::new()
        .fill(&mut secret)
        .map_err(|_| super::CaError::Issue("the system gives no random numbers".to_owned()))?;
    let token = Token {
        secret: URL_SAFE_NO_PAD.encode(secret),
        ca,
    };
    let stored = StoredToken {
        digest: Digest::of(token.secret.as_bytes()),
        expires_at,
        uses_left: uses,
    };
    Ok((token, stored))
}

fn refusal(code: &str, message: impl Into<String>) -> Refusal {
    Refusal {
        code: code.to_owned(),
        message: message.into(),
    }
}

/// Uses a token up by one.
///
/// # Errors
/// Why it is not good, and what to do.
pub fn redeem(stored: Option<StoredToken>, now: Millis) -> Result<StoredToken, Refusal> {
    const REMEDY: &str = "make a new one on the coordinator: botswain agent-token";
    let Some(mut token) = stored else {
        return Err(refusal(
            "unknown_token",
            format!("the coordinator does not know this token: {REMEDY}"),
        ));
    };
    if token.uses_left == 0 {
        return Err(refusal(
            "used_token",
            format!("the token was used before: {REMEDY}"),
        ));
    }
    if now >= token.expires_at {
        return Err(refusal(
            "expired_token",
            format!("the token is too old: {REMEDY}"),
        ));
    }
    token.uses_left -= 1;
    Ok(token)
}

/// Makes an agent's name out of the one it wishes for: characters that a name cannot have become `-`, and a number is
/// added where somebody has the name.
#[must_use]
pub fn unique_name(wish: &str, taken: impl Fn(&AgentId) -> bool) -> AgentId {
    let plain: String = wish
        .chars()
        .take(48)
        .map(|c| c.to_ascii_lowercase())
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let plain = plain.trim_matches(['-', '_']);
    let base = if plain.is_empty() { "agent" } else { plain };
    let names =
        std::iter::once(base.to_owned()).chain((2_u64..).map(|number| format!("{base}-{number}")));
    names
        .filter_map(|name| name.parse().ok())
        .find(|name| !taken(name))
        .expect("one of endlessly many names is free")
}

/// A request for a certificate, whose maker has the key.
#[derive(Debug)]
pub struct Csr(PublicKey);

impl Csr {
    /// Reads a request (PEM) and checks its signature.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(pem: &str) -> Result<Csr, String> {
        let request =
            CertificateSigningRequestParams::from_pem(pem).map_err(|error| error.to_string())?;
        Ok(Csr(request.public_key))
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.0
    }
}

/// A machine that wants to become an agent, with all that can be checked without looking anything up.
#[derive(Debug)]
pub struct Enrolment {
    /// SHA-256 of the token's secret.
    pub token: Digest,
    /// The key that wants a certificate.
    pub csr: Csr,
    /// What the machine says about itself; advisory.
    pub facts: Facts,
}

impl Enrolment {
    /// Reads the body of an enrolment request.
    ///
    /// # Errors
    /// What is wrong with it, and what to do.
    pub fn read(body: &[u8], ca: Digest) -> Result<Enrolment, Refusal> {
        let invalid = |message: String| refusal("invalid_request", message);
        if body.len() > BODY_MAX_BYTES {
            return Err(invalid(format!(
                "the request holds {} bytes, at most {BODY_MAX_BYTES} are allowed",
                body.len()
            )));
        }
        let request: Request = serde_json::from_slice(body)
            .map_err(|error| invalid(format!("expected an enrolment request as JSON: {error}")))?;
        let token: Token = request
            .token
            .parse()
            .map_err(|error| invalid(format!("token: {error}")))?;
        if token.ca != ca {
            return Err(refusal(
                "unknown_token",
                "the token is for another coordinator: make one here with botswain agent-token",
            ));
        }
        let facts = request.facts;
        let texts = [&facts.name, &facts.os, &facts.arch, &facts.version];
        if texts
            .into_iter()
            .chain(&facts.labels)
            .any(|text| text.len() > NAME_MAX_BYTES)
            || facts.labels.len() > LIST_MAX
        {
            return Err(invalid(format!(
                "facts: expected texts of at most {NAME_MAX_BYTES} bytes and at most {LIST_MAX} labels"
            )));
        }
        let csr = Csr::read(&request.csr_pem)
            .map_err(|error| invalid(format!("csr_pem: expected a PKCS #10 request: {error}")))?;
        Ok(Enrolment {
            token: Digest::of(token.secret.as_bytes()),
            csr,
            facts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_once_and_not_for_ever() {
        let (token, stored) = mint(Digest::of(b"ca"), 1_000, 1).unwrap();
        assert_eq!(stored.digest, Digest::of(token.secret.as_bytes()));
        let used = redeem(Some(stored.clone()), 999).unwrap();
        let code = |result: Result<StoredToken, Refusal>| result.unwrap_err().code;
        assert_eq!(code(redeem(Some(used), 999)), "used_token");
        assert_eq!(code(redeem(Some(stored), 1_000)), "expired_token");
        assert_eq!(code(redeem(None, 0)), "unknown_token");
    }

    #[test]
    fn tokens_are_never_alike_and_read_what_they_write() {
        let (one, _) = mint(Digest::of(b"ca"), 1, 1).unwrap();
        let (two, _) = mint(Digest::of(b"ca"), 1, 1).unwrap();
        assert_ne!(one.secret, two.secret);
        assert_eq!(one.to_string().parse::<Token>().unwrap(), one);
    }

    #[test]
    fn an_agents_name_is_what_it_wished_made_fit_and_unique() {
        let taken = ["anna-s-pc", "agent"];
        let name =
            |wish: &str| unique_name(wish, |name| taken.contains(&name.as_str())).to_string();
        assert_eq!(name("Anna's PC"), "anna-s-pc-2");
        assert_eq!(name("press_4"), "press_4");
        assert_eq!(name("ÄÖÜ"), "agent-2");
        assert_eq!(name(&"x".repeat(500)).len(), 48);
    }
}
