//! Text: what an author wrote, with places for secrets that are filled in when the request is sent.

use crate::definition::Settings;
use crate::mask::Mask;
use crate::secrets::{self, Secrets};

/// A literal text; its places are named, never filled, until a request is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Secret(String),
}

impl Text {
    /// Reads `{{secrets.NAME}}` and fills in `{{settings.NAME}}`; other braces are plain text.
    pub(crate) fn parse(source: &str, settings: &Settings) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find("{{") {
            let inside = &rest[at + 2..];
            let Some(end) = inside.find("}}") else { break };
            let place = inside[..end].trim();
            literal.push_str(&rest[..at]);
            if let Some(name) = place.strip_prefix("secrets.") {
                if !secrets::is_name(name) {
                    return Err(format!("{{{{{place}}}}} names no secret"));
                }
                parts.push(Part::Literal(std::mem::take(&mut literal)));
                parts.push(Part::Secret(name.to_owned()));
            } else if let Some(name) = place.strip_prefix("settings.") {
                match settings.get(name) {
                    Some(value) => literal.push_str(value),
                    None => return Err(format!("the setting {name} is not given")),
                }
            } else {
                literal.push_str(&rest[at..at + 2 + end + 2]);
            }
            rest = &inside[end + 2..];
        }
        literal.push_str(rest);
        parts.push(Part::Literal(literal));
        parts.retain(|part| *part != Part::Literal(String::new()));
        Ok(Self(parts))
    }

    /// A text that is one secret.
    pub(crate) fn secret(name: &str) -> Self {
        Self(vec![Part::Secret(name.to_owned())])
    }

    pub(crate) fn has_secret(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Secret(_)))
    }

    /// The names of its secrets.
    pub(crate) fn secret_names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Secret(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// Fills in the secrets, and remembers them in the mask.
    pub(crate) fn fill(&self, secrets: &Secrets, mask: &mut Mask) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Secret(name) => {
                    let secret = secrets.get(name).ok_or_else(|| {
                        format!("the secret {name} is not in the secrets file; add a line {name} = \"value\"")
                    })?;
                    mask.add(secret);
                    text.push_str(secret);
                }
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(source: &str) -> Result<String, String> {
        let settings = Settings::from([("host".to_owned(), "crm.example".to_owned())]);
        let secrets = Secrets::from_pairs([("T".to_owned(), "s3cret {{secrets.U}}".to_owned())]);
        Text::parse(source, &settings)?.fill(&secrets, &mut Mask::default())
    }

    #[test]
    fn settings_and_secrets_are_filled_in_once() {
        assert_eq!(
            fill("https://{{settings.host}}/").unwrap(),
            "https://crm.example/"
        );
        assert_eq!(
            fill("key {{ secrets.T }}!").unwrap(),
            "key s3cret {{secrets.U}}!"
        );
        assert_eq!(fill("{{other}} {{").unwrap(), "{{other}} {{");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            fill("{{settings.port}}").unwrap_err(),
            "the setting port is not given"
        );
        assert!(
            fill("{{secrets.X}}")
                .unwrap_err()
                .contains("the secret X is not in the secrets file")
        );
        assert!(
            fill("{{secrets.a b}}")
                .unwrap_err()
                .contains("names no secret")
        );
    }
}
