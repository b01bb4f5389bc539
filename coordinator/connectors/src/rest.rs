//! REST: jobs of the shape that Camunda's HTTP connector has, where the model itself says what to call.
//!
//! The operator says which hosts such a model may reach and which secrets it may use. Secrets are put into the
//! authentication and the headers only: a body and an address are made of data, and data that names a secret must not get it.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;

use crate::Object;
use crate::address::{Address, Hosts, kind, scalar};
use crate::answer::{Output, Rules};
use crate::client::Client;
use crate::connector::{Filled, add_header, add_query, authorize, drop_nulls, encode_body, run};
use crate::definition::{Settings, is_reserved, method, natural_effect};
use crate::exchange::{Limits, Request, guard};
use crate::expression::Expression;
use crate::mask::Mask;
use crate::outcome::{Call, Effect, JobView};
use crate::problem::{DefinitionError, Problems};
use crate::secrets::{Secrets, is_name};
use crate::status::StatusSet;
use crate::text::Text;

/// The job type that such models have.
pub const REST_JOB_TYPE: &str = "io.camunda:http-json:1";

const SECONDS_DEFAULT: f64 = 20.0;
const SECONDS_MAX: f64 = 3_600.0;
const RESPONSE_BYTES_DEFAULT: usize = 1 << 20;

/// What models with REST tasks may do; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct RestOptions {
    /// The hosts that they may call: `name`, `name:port`, `name:*` or `*.name`.
    pub allowed_hosts: Vec<String>,
    /// The names of the secrets that they may use.
    pub allowed_secrets: Vec<String>,
    /// Whether they may call other machines by plain HTTP.
    pub plaintext: bool,
    /// The longest answer in bytes; none means 1 MiB.
    pub response_bytes_max: Option<usize>,
}

/// Does jobs whose variables say what to call.
#[derive(Clone)]
pub struct RestConnector {
    hosts: Hosts,
    secrets: Vec<String>,
    plaintext: bool,
    response_bytes_max: usize,
}

impl RestConnector {
    /// Checks what is allowed.
    pub fn new(options: &RestOptions) -> Result<Self, DefinitionError> {
        let mut problems = Problems::default();
        let mut hosts = Hosts::default();
        for (index, pattern) in options.allowed_hosts.iter().enumerate() {
            if let Err(message) = hosts.add(pattern) {
                let key = format!("allowed_hosts[{index}]");
                problems.add(&key, message, "write name, name:port, name:* or *.name");
            }
        }
        match problems.into_error(REST_JOB_TYPE) {
            Some(error) => Err(error),
            None => Ok(Self {
                hosts,
                secrets: options.allowed_secrets.clone(),
                plaintext: options.plaintext,
                response_bytes_max: options.response_bytes_max.unwrap_or(RESPONSE_BYTES_DEFAULT),
            }),
        }
    }

    /// What a repetition of this job's call would do.
    pub fn effect(&self, variables: &Object) -> Effect {
        let method = variables
            .get("method")
            .and_then(Value::as_str)
            .and_then(method);
        method.map_or(Effect::AtMostOnce, |method| natural_effect(&method, false))
    }

    /// Does one attempt at one job.
    pub async fn call(&self, client: &Client, secrets: &Secrets, job: JobView<'_>) -> Call {
        let mut mask = Mask::default();
        let (rules, problem) = match self.rules(&job) {
            Ok(rules) => (rules, None),
            Err(problem) => (plain_rules(self.effect(job.variables)), Some(problem)),
        };
        let request = match problem {
            Some(problem) => Err(problem),
            None => self.request(job.variables, secrets, &mut mask),
        };
        run(client, &rules, job.names(), mask, request).await
    }

    fn rules(&self, job: &JobView<'_>) -> Result<Rules, String> {
        let header = |name: &str| {
            job.headers
                .get(name)
                .map(|text| text.trim())
                .filter(|text| !text.is_empty())
        };
        let expression = |name: &str| {
            let parse = |text: &str| {
                Expression::parse(text.strip_prefix('=').unwrap_or(text))
                    .map_err(|error| format!("task header {name}: {error}"))
            };
            header(name).map(parse).transpose()
        };
        Ok(Rules {
            error_expression: expression("errorExpression")?,
            output: Output::Whole {
                variable: header("resultVariable").map(str::to_owned),
                context: expression("resultExpression")?,
            },
            ..plain_rules(self.effect(job.variables))
        })
    }

    fn request(
        &self,
        variables: &Object,
        secrets: &Secrets,
        mask: &mut Mask,
    ) -> Result<Request, String> {
        let text = |name: &str| match variables.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.as_str()),
            Some(Value::String(_) | Value::Null) | None => {
                Err(format!("the input {name} is missing"))
            }
            Some(other) => Err(format!(
                "the input {name} is {}, expected a text",
                kind(other)
            )),
        };
        let method_text = text("method")?;
        let method = method(method_text)
            .ok_or_else(|| format!("the method {method_text:?} is not known"))?;
        let address = text("url")?;
        if address.contains("secrets.") {
            return Err(
                "a secret in the address is not put in; use authentication or a header".to_owned(),
            );
        }
        // The whole address is given, so braces in it are plain text.
        let mut url = Address::Template(vec![crate::address::Part::Literal(address.to_owned())])
            .build(&Object::new(), secrets, mask)?;
        guard(&url, &self.hosts, self.plaintext)?;
        for (name, value) in entries(variables, "queryParameters")? {
            add_query(&mut url, name, value)?;
        }
        let mut headers = HeaderMap::new();
        for (name, value) in entries(variables, "headers")? {
            let header: HeaderName = name
                .parse()
                .map_err(|_| format!("{name:?} is no name of a header"))?;
            if is_reserved(&header) {
                return Err(format!(
                    "the header {header} is set by the connector itself"
                ));
            }
            let value = match value {
                Value::String(text) => Value::String(self.secret_text(text, secrets, mask)?),
                other => other.clone(),
            };
            add_header(&mut headers, &header, &value)?;
        }
        self.authenticate(variables, secrets, &mut url, &mut headers, mask)?;
        if variables
            .get("storeResponse")
            .is_some_and(|store| store == true)
        {
            return Err(
                "storing the response as a document is not supported; set storeResponse to false"
                    .to_owned(),
            );
        }
        let body = match variables.get("body").filter(|body| !body.is_null()) {
            Some(body) if !matches!(method.as_str(), "GET" | "HEAD") => {
                let mut body = body.clone();
                if variables
                    .get("ignoreNullValues")
                    .is_some_and(|ignore| ignore == true)
                {
                    drop_nulls(&mut body);
                }
                // A text that is JSON already goes out as it is.
                if let Value::String(text) = &body
                    && let Ok(parsed) = serde_json::from_str::<Value>(text)
                {
                    body = parsed;
                }
                Some(encode_body(&mut headers, body)?)
            }
            _ => None,
        };
        let effect = natural_effect(&method, false);
        let connect_timeout = seconds(variables, "connectionTimeoutInSeconds")?;
        Ok(Request {
            method,
            url,
            headers,
            body,
            limits: Limits {
                connect_timeout,
                timeout: connect_timeout + seconds(variables, "readTimeoutInSeconds")?,
                response_bytes_max: self.response_bytes_max,
                redirects: 0,
            },
            hosts: self.hosts.clone(),
            effect,
            plaintext: self.plaintext,
            mask: mask.clone(),
        })
    }

    fn authenticate(
        &self,
        variables: &Object,
        secrets: &Secrets,
        url: &mut reqwest::Url,
        headers: &mut HeaderMap,
        mask: &mut Mask,
    ) -> Result<(), String> {
        let auth = match variables.get("authentication") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(auth)) => auth,
            Some(other) => {
                return Err(format!(
                    "the input authentication is {}, expected a context",
                    kind(other)
                ));
            }
        };
        let mut credential = |name: &str| match auth.get(name) {
            Some(Value::String(text)) => {
                let text = self.secret_text(text, secrets, mask)?;
                // A model may carry the value itself; it is masked all the same.
                mask.add(&text);
                Ok(text)
            }
            _ => Err(format!("the input authentication.{name} is missing")),
        };
        let filled = match auth.get("type").and_then(Value::as_str) {
            None | Some("noAuth") => Filled::None,
            Some("bearer") => Filled::Bearer {
                token: credential("token")?,
            },
            Some("basic") => {
                let user = auth
                    .get("username")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned();
                Filled::Basic {
                    user,
                    password: credential("password")?,
                }
            }
            Some("apiKey") => {
                let value = credential("value")?;
                let name = auth.get("name").and_then(Value::as_str).unwrap_or_default();
                if auth.get("apiKeyLocation").and_then(Value::as_str) == Some("query") {
                    url.query_pairs_mut().append_pair(name, &value);
                } else {
                    let header: HeaderName = name
                        .parse()
                        .map_err(|_| format!("{name:?} is no name of a header"))?;
                    add_header(headers, &header, &Value::String(value))?;
                }
                Filled::None
            }
            Some(other) => {
                let shown: String = other.chars().take(60).collect();
                return Err(format!(
                    "the authentication {shown:?} is not supported; use bearer, basic, apiKey or noAuth"
                ));
            }
        };
        authorize(headers, filled, mask)
    }

    /// Fills in `{{secrets.NAME}}`, or a text that is `secrets.NAME` as a whole.
    fn secret_text(
        &self,
        source: &str,
        secrets: &Secrets,
        mask: &mut Mask,
    ) -> Result<String, String> {
        let text = match source
            .trim()
            .strip_prefix("secrets.")
            .filter(|name| is_name(name))
        {
            Some(name) => Text::secret(name),
            None => Text::parse(source, &Settings::default())?,
        };
        for name in text.secret_names() {
            if !self.secrets.iter().any(|allowed| allowed == name) {
                return Err(format!(
                    "the secret {name} is not allowed for REST tasks; add it to their allowed_secrets"
                ));
            }
        }
        text.fill(secrets, mask)
    }
}

impl fmt::Debug for RestConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestConnector")
            .field("hosts", &self.hosts)
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

fn plain_rules(effect: Effect) -> Rules {
    Rules {
        effect,
        success: StatusSet::success(),
        retryable: StatusSet::retryable(),
        did_not_happen: StatusSet::did_not_happen(),
        errors: Vec::new(),
        error_expression: None,
        output: Output::Fields(None),
    }
}

fn entries<'a>(variables: &'a Object, name: &str) -> Result<Vec<(&'a str, &'a Value)>, String> {
    match variables.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(entries)) => Ok(entries
            .iter()
            .map(|(name, value)| (name.as_str(), value))
            .collect()),
        Some(other) => Err(format!(
            "the input {name} is {}, expected a context",
            kind(other)
        )),
    }
}

fn seconds(variables: &Object, name: &str) -> Result<Duration, String> {
    let seconds = match variables.get(name) {
        None | Some(Value::Null) => SECONDS_DEFAULT,
        Some(value) => scalar(value)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(-1.0),
    };
    // Zero stands for no limit there; nothing here is without one.
    let seconds = if seconds == 0.0 { SECONDS_MAX } else { seconds };
    if seconds > 0.0 && seconds <= SECONDS_MAX {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!(
            "the input {name} is not a number of seconds from 0 to {SECONDS_MAX}"
        ))
    }
}
