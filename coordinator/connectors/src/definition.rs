//! Definition: what an operator writes about a connector, compiled with every problem at once.

use std::collections::BTreeMap;

use reqwest::Method;
use reqwest::header::HeaderName;
use serde_json::Value;

use crate::Object;
use crate::address::{Address, Hosts, is_loopback, kind};
use crate::answer::{ErrorRule, Output, Rules};
use crate::connector::{Auth, Connector};
use crate::exchange::Limits;
use crate::expression::Expression;
use crate::fields::Field;
use crate::keys::Keys;
use crate::outcome::Effect;
use crate::problem::{DefinitionError, Problems};
use crate::status::StatusSet;
use crate::text::Text;

/// Values that differ from installation to installation and are no secrets, such as the address of a test system.
pub type Settings = BTreeMap<String, String>;

const DEFINITION_BYTES_MAX: usize = 256 << 10;
const RESPONSE_BYTES_DEFAULT: usize = 1 << 20;
const RESPONSE_BYTES_MAX: u64 = 64 << 20;
const REDIRECTS_MAX: u64 = 10;

impl Connector {
    /// Compiles a definition in TOML.
    pub fn from_toml(
        name: &str,
        source: &str,
        settings: &Settings,
    ) -> Result<Self, DefinitionError> {
        let refused = |message: String| {
            let mut problems = Problems::default();
            problems.add(
                "",
                message,
                "write a TOML file with method, url and the other keys",
            );
            problems.into_error(name).expect("a problem was added")
        };
        if source.len() > DEFINITION_BYTES_MAX {
            return Err(refused(format!(
                "{} bytes, at most {DEFINITION_BYTES_MAX} are read",
                source.len()
            )));
        }
        let table: toml::Table = source
            .parse()
            .map_err(|error: toml::de::Error| refused(error.to_string()))?;
        let value = serde_json::to_value(table).map_err(|error| refused(error.to_string()))?;
        Self::from_json(name, value, settings)
    }

    /// Compiles a definition in JSON.
    pub fn from_json(
        name: &str,
        definition: Value,
        settings: &Settings,
    ) -> Result<Self, DefinitionError> {
        let mut problems = Problems::default();
        let connector = match definition {
            Value::Object(table) => compile(name, table, settings, &mut problems),
            other => {
                problems.add(
                    "",
                    format!("{} found", kind(&other)),
                    "write an object with method, url and the other keys",
                );
                None
            }
        };
        match problems.into_error(name) {
            Some(error) => Err(error),
            None => Ok(connector.expect("a definition without problems was compiled")),
        }
    }
}

fn compile(
    name: &str,
    table: Object,
    settings: &Settings,
    problems: &mut Problems,
) -> Option<Connector> {
    let mut keys = Keys {
        table,
        place: String::new(),
        settings,
        problems,
    };
    let description = keys.text("description").unwrap_or_default();
    let method = keys.method();
    let address = keys.address();
    let plaintext = keys.flag("plaintext");
    let hosts = keys.hosts(address.as_ref(), plaintext);
    let timeout = keys.seconds("timeout_seconds", 30.0);
    let connect_timeout = keys.seconds("connect_timeout_seconds", 5.0);
    let limits = Limits {
        // Who runs into the whole limit had a connection: only then it is certain which of the two it was.
        connect_timeout: connect_timeout.min(timeout / 2),
        timeout,
        response_bytes_max: usize::try_from(keys.whole(
            "response_bytes_max",
            RESPONSE_BYTES_DEFAULT as u64,
            RESPONSE_BYTES_MAX,
        ))
        .unwrap_or(RESPONSE_BYTES_DEFAULT),
        redirects: usize::try_from(keys.whole("redirects", 0, REDIRECTS_MAX)).unwrap_or(0),
    };
    let mut headers = keys.headers();
    let key = keys.idempotency_key();
    let has_key = key.is_some();
    headers.extend(key);
    let query = keys.entries("query");
    let body = keys.field("body");
    let drop_nulls = keys.flag("drop_nulls");
    let auth = keys.auth();
    let effect = keys.effect(method.as_ref(), has_key);
    let success = keys.statuses("success", StatusSet::success());
    let retryable = keys.statuses("retryable", StatusSet::retryable());
    let did_not_happen = keys.statuses("did_not_happen", StatusSet::did_not_happen());
    let output = keys.output();
    let errors = keys.errors();
    keys.refuse_rest();
    Some(Connector {
        name: name.to_owned(),
        description,
        method: method?,
        address: address?,
        hosts,
        plaintext,
        limits,
        query,
        headers,
        body,
        drop_nulls,
        auth,
        rules: Rules {
            effect,
            success,
            retryable,
            did_not_happen,
            errors,
            error_expression: None,
            output,
        },
    })
}

impl Keys<'_> {
    fn method(&mut self) -> Option<Method> {
        const REMEDY: &str = "write one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
        let text = self.required("method", REMEDY)?;
        let method = method(&text);
        if method.is_none() {
            self.wrong("method", format!("{text:?} is not known"), REMEDY);
        }
        method
    }

    fn address(&mut self) -> Option<Address> {
        const REMEDY: &str = "write https://host/path, with {expression} where a value belongs";
        let text = self.required("url", REMEDY)?;
        match Address::parse(&text, self.settings) {
            Ok(address) => Some(address),
            Err(message) => {
                self.wrong("url", message, REMEDY);
                None
            }
        }
    }

    /// The hosts that the definition names, and that of a literal address.
    fn hosts(&mut self, address: Option<&Address>, plaintext: bool) -> Hosts {
        let origin = address.and_then(|address| address.origin().ok()).flatten();
        let mut hosts = origin.as_ref().map(Hosts::of).unwrap_or_default();
        if let Some(url) = &origin
            && url.scheme() == "http"
            && !plaintext
            && !is_loopback(url)
        {
            let message = "http can be read on the way, its secrets too";
            self.wrong(
                "url",
                message,
                "write https://, or plaintext = true if the way is trusted",
            );
        }
        for (index, pattern) in self.list("allowed_hosts").into_iter().enumerate() {
            let added = match &pattern {
                Value::String(pattern) => hosts.add(pattern),
                other => Err(format!("{} found", kind(other))),
            };
            if let Err(message) = added {
                self.wrong(
                    &format!("allowed_hosts[{index}]"),
                    message,
                    "write name, name:port, name:* or *.name",
                );
            }
        }
        if address.is_some() && hosts.is_empty() {
            let message = "the address is an expression and no host is allowed";
            self.wrong(
                "allowed_hosts",
                message,
                "list the hosts that may be called",
            );
        }
        hosts
    }

    fn headers(&mut self) -> Vec<(HeaderName, Field)> {
        let mut headers = Vec::new();
        for (name, field) in self.entries("headers") {
            match name.parse::<HeaderName>() {
                Ok(header) if !is_reserved(&header) => headers.push((header, field)),
                Ok(_) => {
                    self.wrong(
                        &format!("headers.{name}"),
                        "this header is set by the connector itself",
                        "remove it",
                    );
                }
                Err(_) => self.wrong(
                    &format!("headers.{name}"),
                    "no name of a header",
                    "correct the name",
                ),
            }
        }
        headers
    }

    fn idempotency_key(&mut self) -> Option<(HeaderName, Field)> {
        let mut keys = self.sub("idempotency_key")?;
        let name = keys
            .text("header")
            .unwrap_or_else(|| "Idempotency-Key".to_owned());
        let value = keys.field("value");
        keys.refuse_rest();
        // The job's key and not the attempt's: every attempt must be the same request.
        let value = match value {
            Some(value) => value,
            None => Field::Feel(Expression::parse("job.key").expect("a path is an expression")),
        };
        match name.parse::<HeaderName>() {
            Ok(name) => Some((name, value)),
            Err(_) => {
                self.wrong(
                    "idempotency_key.header",
                    "no name of a header",
                    "correct the name",
                );
                None
            }
        }
    }

    fn auth(&mut self) -> Auth {
        let Some(mut keys) = self.sub("auth") else {
            return Auth::None;
        };
        let auth = match keys
            .required("kind", "write bearer, basic or none")
            .as_deref()
        {
            Some("none") | None => Auth::None,
            Some("bearer") => keys
                .secret("token")
                .map_or(Auth::None, |token| Auth::Bearer { token }),
            Some("basic") => {
                let remedy = "name the user";
                let user = keys.required("user", remedy).and_then(|user| {
                    match Text::parse(&user, keys.settings) {
                        Ok(user) => Some(user),
                        Err(message) => {
                            keys.wrong("user", message, remedy);
                            None
                        }
                    }
                });
                match (user, keys.secret("password")) {
                    (Some(user), Some(password)) => Auth::Basic { user, password },
                    _ => Auth::None,
                }
            }
            Some(other) => {
                let message = format!(
                    "{:?} is not known",
                    other.chars().take(40).collect::<String>()
                );
                keys.wrong("kind", message, "write bearer, basic or none");
                Auth::None
            }
        };
        keys.refuse_rest();
        auth
    }

    fn secret(&mut self, key: &str) -> Option<Text> {
        const REMEDY: &str = "write \"{{secrets.NAME}}\" and put the value into the secrets file";
        let source = self.required(key, REMEDY)?;
        match Text::parse(&source, self.settings) {
            Ok(text) if text.has_secret() => Some(text),
            // The text is not shown: it is the secret.
            Ok(_) => {
                self.wrong(key, "the secret stands in the definition itself", REMEDY);
                None
            }
            Err(message) => {
                self.wrong(key, message, REMEDY);
                None
            }
        }
    }

    fn effect(&mut self, method: Option<&Method>, has_key: bool) -> Effect {
        let natural = method.map_or(Effect::AtMostOnce, |method| natural_effect(method, has_key));
        match self.text("effect").as_deref() {
            None => natural,
            Some(word) => Effect::parse(word).unwrap_or_else(|| {
                let message = format!(
                    "{:?} is not known",
                    word.chars().take(40).collect::<String>()
                );
                self.wrong("effect", message, "write pure, idempotent or at_most_once");
                natural
            }),
        }
    }

    fn output(&mut self) -> Output {
        let result = self.expression("result");
        let output = self.open_field("output");
        match (result, output) {
            (Some(_), Some(_)) => {
                self.wrong("output", "result is given too", "use one of them");
                Output::Fields(None)
            }
            (Some(context), None) => Output::Whole {
                variable: None,
                context: Some(context),
            },
            (None, output) => {
                if output
                    .as_ref()
                    .is_some_and(|field| !matches!(field, Field::Table(_)))
                {
                    self.wrong(
                        "output",
                        "not a table",
                        "write [output] with one line NAME = \"=expression\" for each variable",
                    );
                }
                Output::Fields(output)
            }
        }
    }

    fn errors(&mut self) -> Vec<ErrorRule> {
        let mut rules = Vec::new();
        for (index, item) in self.list("error").into_iter().enumerate() {
            let Value::Object(table) = item else {
                self.wrong(
                    "error",
                    "not a list of tables",
                    "write each rule as [[error]]",
                );
                continue;
            };
            let place = format!("{}error[{index}].", self.place);
            let mut keys = Keys {
                table,
                place,
                settings: self.settings,
                problems: self.problems,
            };
            let status = keys
                .table
                .contains_key("status")
                .then(|| keys.statuses("status", StatusSet::of(&[])));
            let when = keys.expression("when");
            if status.is_none() && when.is_none() {
                keys.wrong(
                    "when",
                    "every answer would be an error",
                    "give status, when or both",
                );
            }
            let code = keys.required("code", "name the code that a boundary event catches");
            let message = keys.open_field("message");
            let variables = keys.open_field("variables");
            keys.refuse_rest();
            rules.extend(code.map(|code| ErrorRule {
                status,
                when,
                code,
                message,
                variables,
            }));
        }
        rules
    }
}

pub(crate) fn method(text: &str) -> Option<Method> {
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ]
    .into_iter()
    .find(|method| method.as_str() == text)
}

/// What HTTP says of a method; a key that the server knows makes a repetition harmless.
pub(crate) fn natural_effect(method: &Method, has_key: bool) -> Effect {
    match method.as_str() {
        "GET" | "HEAD" | "OPTIONS" => Effect::Pure,
        "PUT" | "DELETE" => Effect::Idempotent,
        _ if has_key => Effect::Idempotent,
        _ => Effect::AtMostOnce,
    }
}

/// Headers that decide where a request ends or who sent it.
pub(crate) fn is_reserved(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "host"
            | "content-length"
            | "transfer-encoding"
            | "connection"
            | "upgrade"
            | "te"
            | "trailer"
    )
}
