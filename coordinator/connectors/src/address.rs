//! Address: where a request may go. Data can fill a path and a query, never the host.

use std::net::IpAddr;

use reqwest::Url;
use serde_json::Value;

use crate::Object;
use crate::definition::Settings;
use crate::expression::Expression;
use crate::mask::Mask;
use crate::secrets::Secrets;
use crate::text::Text;

const URL_BYTES_MAX: usize = 8 << 10;
const PLACES_MAX: usize = 50;

/// An address with places for values.
#[derive(Debug, Clone)]
pub(crate) enum Address {
    /// A text whose host is literal.
    Template(Vec<Part>),
    /// An expression that gives the whole address; the allowed hosts bound it.
    Feel(Expression),
}

#[derive(Debug, Clone)]
pub(crate) enum Part {
    Literal(String),
    Secret(Text),
    Feel(Expression),
}

impl Address {
    /// Reads `https://host/path/{expression}?x={{secrets.NAME}}`, or `=expression`.
    pub(crate) fn parse(source: &str, settings: &Settings) -> Result<Self, String> {
        if let Some(expression) = source.strip_prefix('=') {
            return Expression::parse(expression).map(Self::Feel);
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find('{') {
            literal.push_str(&rest[..at]);
            let inside = &rest[at..];
            if let Some(place) = inside.strip_prefix("{{") {
                let end = place.find("}}").ok_or("{{ has no }}")?;
                let text = &inside[..end + 4];
                let name = place[..end].trim();
                match name.strip_prefix("settings.") {
                    Some(name) => match settings.get(name) {
                        Some(value) => literal.push_str(value),
                        None => return Err(format!("the setting {name} is not given")),
                    },
                    None => {
                        let secret = Text::parse(text, settings)?;
                        if !secret.has_secret() {
                            return Err(format!("{text} is neither a setting nor a secret"));
                        }
                        parts.push(Part::Literal(std::mem::take(&mut literal)));
                        parts.push(Part::Secret(secret));
                    }
                }
                rest = &place[end + 2..];
            } else {
                let end = closing_brace(inside).ok_or("{ has no }")?;
                parts.push(Part::Literal(std::mem::take(&mut literal)));
                parts.push(Part::Feel(Expression::parse(&inside[1..end])?));
                rest = &inside[end + 1..];
            }
        }
        literal.push_str(rest);
        parts.push(Part::Literal(literal));
        if parts.len() > PLACES_MAX {
            return Err(format!("more than {PLACES_MAX} places"));
        }
        let address = Self::Template(parts);
        address.origin().map(|_| address)
    }

    /// The scheme, host and port of a literal host; none for an expression.
    pub(crate) fn origin(&self) -> Result<Option<Url>, String> {
        let Self::Template(parts) = self else {
            return Ok(None);
        };
        let Some(Part::Literal(first)) = parts.first() else {
            return Ok(None);
        };
        let begin = first
            .find("://")
            .ok_or("the address does not begin with https:// or http://")?
            + 3;
        let end = match first[begin..].find(['/', '?', '#', '\\']) {
            Some(end) => begin + end,
            None if parts.len() == 1 => first.len(),
            None => return Err("the host may not come from data or from a secret".to_owned()),
        };
        checked(&first[..end]).map(Some)
    }

    pub(crate) fn secret_names<'a>(&'a self, names: &mut Vec<&'a str>) {
        let Self::Template(parts) = self else { return };
        for part in parts {
            if let Part::Secret(secret) = part {
                names.extend(secret.secret_names());
            }
        }
    }

    /// Fills in the values, each encoded so that it stays inside its place.
    pub(crate) fn build(
        &self,
        names: &Object,
        secrets: &Secrets,
        mask: &mut Mask,
    ) -> Result<Url, String> {
        let parts = match self {
            Self::Template(parts) => parts,
            Self::Feel(expression) => {
                return match expression.evaluate(names)? {
                    Value::String(text) => checked(&text),
                    other => Err(format!("the address is {}, expected a text", kind(&other))),
                };
            }
        };
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Secret(secret) => text.push_str(&encode(&secret.fill(secrets, mask)?)),
                Part::Feel(expression) => {
                    let value = scalar(&expression.evaluate(names)?).map_err(|found| {
                        format!(
                            "{{{expression}}} in the address is {found}, expected a text or number"
                        )
                    })?;
                    if value.is_empty() && !text.contains('?') {
                        return Err(format!("{{{expression}}} in the address's path is empty"));
                    }
                    text.push_str(&encode(&value));
                }
            }
        }
        let path = text.split(['?', '#']).next().unwrap_or_default();
        // A dot segment would leave the path that the definition's author wrote.
        if path
            .split('/')
            .any(|segment| segment == "." || segment == "..")
        {
            return Err("a value makes the address's path leave its place".to_owned());
        }
        checked(&text)
    }
}

fn checked(text: &str) -> Result<Url, String> {
    if text.len() > URL_BYTES_MAX {
        return Err(format!("the address is longer than {URL_BYTES_MAX} bytes"));
    }
    let url = Url::parse(text).map_err(|error| format!("the address cannot be read: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("the address does not begin with https:// or http:// and a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the address holds a user or password; use auth".to_owned());
    }
    Ok(url)
}

/// Finds the brace that closes the one at the start, over nested braces and texts in quotes.
fn closing_brace(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// The text of a value that has one; the error says what it is otherwise.
pub(crate) fn scalar(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(kind(value)),
    }
}

pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a context",
    }
}

/// Percent-encodes everything but letters, digits and `-_.~`.
pub(crate) fn encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// The hosts that a connector may call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hosts(Vec<Host>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    name: String,
    /// Whether the name stands for what is under it.
    below: bool,
    port: Port,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Port {
    /// That of the scheme.
    Default,
    Any,
    Exactly(u16),
}

impl Hosts {
    /// The host and port of this address alone.
    pub(crate) fn of(url: &Url) -> Self {
        let port = url
            .port_or_known_default()
            .map_or(Port::Default, Port::Exactly);
        Self(vec![Host {
            name: url.host_str().unwrap_or_default().to_owned(),
            below: false,
            port,
        }])
    }

    /// Adds `name`, `name:port`, `name:*` or `*.name`.
    pub(crate) fn add(&mut self, pattern: &str) -> Result<(), String> {
        let (below, rest) = match pattern.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let colon = rest
            .rfind(':')
            .filter(|colon| !rest[*colon..].contains(']'));
        let (name, port) = match colon {
            None => (rest, Port::Default),
            Some(colon) => match &rest[colon + 1..] {
                "*" => (&rest[..colon], Port::Any),
                digits => (
                    &rest[..colon],
                    Port::Exactly(digits.parse().map_err(|_| wrong(pattern))?),
                ),
            },
        };
        // The parser brings names into the form that it also gives to the addresses.
        let url = Url::parse(&format!("https://{name}/")).map_err(|_| wrong(pattern))?;
        let plain = url.path() == "/"
            && url.username().is_empty()
            && url.port().is_none()
            && !name.contains('*');
        match url.host_str() {
            Some(host) if plain && !name.is_empty() => {
                self.0.push(Host {
                    name: host.to_owned(),
                    below,
                    port,
                });
                Ok(())
            }
            _ => Err(wrong(pattern)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn allow(&self, url: &Url) -> bool {
        let Some(name) = url.host_str() else {
            return false;
        };
        self.0.iter().any(|host| {
            let named = if host.below {
                name.strip_suffix(host.name.as_str())
                    .is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            } else {
                name == host.name
            };
            named
                && match host.port {
                    Port::Any => true,
                    Port::Default => url.port().is_none(),
                    Port::Exactly(port) => url.port_or_known_default() == Some(port),
                }
        })
    }
}

fn wrong(pattern: &str) -> String {
    format!(
        "{:?} is no host",
        pattern.chars().take(100).collect::<String>()
    )
}

/// Whether an address is on this machine, where plain HTTP can be read by nobody else.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn build(template: &str, value: Value) -> Result<String, String> {
        let mut names = Object::new();
        names.insert("x".to_owned(), value);
        let secrets = Secrets::from_pairs([("KEY".to_owned(), "a/b c".to_owned())]);
        let settings = Settings::from([("base".to_owned(), "http://crm.example:81/v1".to_owned())]);
        Address::parse(template, &settings)?
            .build(&names, &secrets, &mut Mask::default())
            .map(String::from)
    }

    #[test]
    fn a_value_stays_inside_its_place() {
        let url = |value: &str| build("https://h/a/{x}/b?q={x}#f", json!(value)).unwrap();
        assert_eq!(url("C-1"), "https://h/a/C-1/b?q=C-1#f");
        assert_eq!(
            url("../../admin?y=1#z"),
            "https://h/a/..%2F..%2Fadmin%3Fy%3D1%23z/b?q=..%2F..%2Fadmin%3Fy%3D1%23z#f"
        );
        assert_eq!(
            url("ä\n@evil.example"),
            "https://h/a/%C3%A4%0A%40evil.example/b?q=%C3%A4%0A%40evil.example#f"
        );
        assert_eq!(url("%2e%2e"), "https://h/a/%252e%252e/b?q=%252e%252e#f");
    }

    #[test]
    fn settings_secrets_and_expressions_have_their_places() {
        assert_eq!(
            build("{{settings.base}}/c/{x + 1}", json!(4)).unwrap(),
            "http://crm.example:81/v1/c/5"
        );
        assert_eq!(
            build("https://h/?k={{secrets.KEY}}", json!(1)).unwrap(),
            "https://h/?k=a%2Fb%20c"
        );
        assert_eq!(
            build("https://h/{ {a: \"}\"}.a }", json!(1)).unwrap(),
            "https://h/%7D"
        );
        assert_eq!(
            build("=\"https://h/\" + x", json!("y")).unwrap(),
            "https://h/y"
        );
    }

    #[test]
    fn a_value_that_would_change_the_path_is_refused() {
        for value in [
            json!(".."),
            json!("."),
            json!(""),
            json!(null),
            json!([1]),
            json!({}),
        ] {
            assert!(
                build("https://h/a/{x}/b", value.clone()).is_err(),
                "{value} was accepted"
            );
        }
        assert_eq!(
            build("https://h/a?q={x}", json!("")).unwrap(),
            "https://h/a?q="
        );
    }

    #[test]
    fn the_host_comes_from_the_author_alone() {
        for template in [
            "https://{x}/",
            "https://h{x}/",
            "{x}",
            "https://{{secrets.KEY}}/",
            "https://u:p@h/",
            "ftp://h/",
        ] {
            assert!(
                build(template, json!("evil")).is_err(),
                "{template} was accepted"
            );
        }
    }

    #[test]
    fn hosts_are_allowed_by_name_port_and_domain() {
        let mut hosts = Hosts::default();
        for pattern in [
            "crm.example",
            "api.example:8443",
            "*.intra.example",
            "any.example:*",
            "[::1]:80",
        ] {
            hosts.add(pattern).unwrap();
        }
        let allowed = |url: &str| hosts.allow(&Url::parse(url).unwrap());
        for url in [
            "https://crm.example/x",
            "http://CRM.example/",
            "https://api.example:8443/",
            "https://a.b.intra.example/",
            "http://any.example:99/",
            "http://[::1]/",
        ] {
            assert!(allowed(url), "{url}");
        }
        for url in [
            "https://crm.example:444/",
            "https://api.example/",
            "https://intra.example/",
            "https://evilintra.example/",
            "https://crm.example.evil/",
            "http://127.0.0.1/",
        ] {
            assert!(!allowed(url), "{url}");
        }
        for wrong in [
            "",
            "a b",
            "*",
            "h:port",
            "h/path",
            "u@h",
            "*.*.h",
            "https://h",
        ] {
            assert!(Hosts::default().add(wrong).is_err(), "{wrong:?}");
        }
    }
}
