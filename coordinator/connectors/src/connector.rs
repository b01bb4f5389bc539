//! Connector: a compiled definition, and one attempt at one job with it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::Object;
use crate::address::{Address, Hosts, kind, scalar};
use crate::answer::Rules;
use crate::client::Client;
use crate::exchange::{Failure, Limits, Request, exchange, guard};
use crate::fields::Field;
use crate::mask::Mask;
use crate::outcome::{Call, Effect, Evidence, JobView};
use crate::secrets::Secrets;
use crate::text::Text;

const REQUEST_BYTES_MAX: usize = 8 << 20;
const HEADER_BYTES_MAX: usize = 16 << 10;

/// One API call that does jobs of one or several types.
#[derive(Clone)]
pub struct Connector {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) method: Method,
    pub(crate) address: Address,
    pub(crate) hosts: Hosts,
    pub(crate) plaintext: bool,
    pub(crate) limits: Limits,
    pub(crate) query: Vec<(String, Field)>,
    pub(crate) headers: Vec<(HeaderName, Field)>,
    pub(crate) body: Option<Field>,
    pub(crate) drop_nulls: bool,
    pub(crate) auth: Auth,
    pub(crate) rules: Rules,
}

/// How the caller proves who it is.
#[derive(Debug, Clone)]
pub(crate) enum Auth {
    None,
    Bearer { token: Text },
    Basic { user: Text, password: Text },
}

impl Connector {
    /// The name that routes use.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One sentence for people; may be empty.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What a repetition of the call would do.
    pub fn effect(&self) -> Effect {
        self.rules.effect
    }

    /// The names of the secrets that it uses, so that a missing one is found before the first job.
    pub fn secrets(&self) -> Vec<&str> {
        let mut names = Vec::new();
        match &self.auth {
            Auth::None => {}
            Auth::Bearer { token } => names.extend(token.secret_names()),
            Auth::Basic { user, password } => {
                names.extend(user.secret_names().chain(password.secret_names()))
            }
        }
        self.address.secret_names(&mut names);
        let fields = self
            .query
            .iter()
            .map(|(_, field)| field)
            .chain(self.headers.iter().map(|(_, field)| field));
        for field in fields.chain(&self.body) {
            field.secret_names(&mut names);
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Does one attempt at one job.
    pub async fn call(&self, client: &Client, secrets: &Secrets, job: JobView<'_>) -> Call {
        let names = job.names();
        let mut mask = Mask::default();
        let request = self.request(&names, secrets, &mut mask);
        run(client, &self.rules, names, mask, request).await
    }

    fn request(
        &self,
        names: &Object,
        secrets: &Secrets,
        mask: &mut Mask,
    ) -> Result<Request, String> {
        let mut url = self.address.build(names, secrets, mask)?;
        guard(&url, &self.hosts, self.plaintext)?;
        for (name, field) in &self.query {
            let value = field.value(names, secrets, mask)?;
            add_query(&mut url, name, &value)?;
        }
        let mut headers = HeaderMap::new();
        for (name, field) in &self.headers {
            add_header(&mut headers, name, &field.value(names, secrets, mask)?)?;
        }
        let filled = match &self.auth {
            Auth::None => Filled::None,
            Auth::Bearer { token } => Filled::Bearer {
                token: token.fill(secrets, mask)?,
            },
            Auth::Basic { user, password } => Filled::Basic {
                user: user.fill(secrets, mask)?,
                password: password.fill(secrets, mask)?,
            },
        };
        authorize(&mut headers, filled, mask)?;
        let body = match &self.body {
            None => None,
            Some(field) => {
                let mut value = field.value(names, secrets, mask)?;
                if self.drop_nulls {
                    drop_nulls(&mut value);
                }
                Some(encode_body(&mut headers, value)?)
            }
        };
        Ok(Request {
            method: self.method.clone(),
            url,
            headers,
            body,
            limits: self.limits,
            hosts: self.hosts.clone(),
            effect: self.rules.effect,
            plaintext: self.plaintext,
            mask: mask.clone(),
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("name", &self.name)
            .field("method", &self.method)
            .field("effect", &self.rules.effect)
            .finish_non_exhaustive()
    }
}

/// Proof of identity with its secrets filled in; lives until the header is made.
pub(crate) enum Filled {
    None,
    Bearer { token: String },
    Basic { user: String, password: String },
}

/// Sends the request, or tells why there is none.
pub(crate) async fn run(
    client: &Client,
    rules: &Rules,
    names: Object,
    mask: Mask,
    request: Result<Request, String>,
) -> Call {
    let (result, evidence) = match request {
        Ok(request) => exchange(client, request).await,
        Err(problem) => (
            Err(Failure::refused("request", problem)),
            Evidence::default(),
        ),
    };
    Call {
        outcome: rules.judge(names, &mask, result),
        evidence,
    }
}

pub(crate) fn add_query(url: &mut reqwest::Url, name: &str, value: &Value) -> Result<(), String> {
    let one = std::slice::from_ref(value);
    for item in value.as_array().map_or(one, Vec::as_slice) {
        if item.is_null() {
            continue;
        }
        let text = scalar(item)
            .map_err(|found| format!("query parameter {name} is {found}, expected a text"))?;
        url.query_pairs_mut().append_pair(name, &text);
    }
    Ok(())
}

pub(crate) fn add_header(
    headers: &mut HeaderMap,
    name: &HeaderName,
    value: &Value,
) -> Result<(), String> {
    if value.is_null() {
        return Ok(());
    }
    let text =
        scalar(value).map_err(|found| format!("header {name} is {found}, expected a text"))?;
    if text.len() > HEADER_BYTES_MAX {
        return Err(format!(
            "header {name} is longer than {HEADER_BYTES_MAX} bytes"
        ));
    }
    let value = HeaderValue::from_str(&text)
        .map_err(|_| format!("header {name} holds a line break or control character"))?;
    headers.insert(name, value);
    Ok(())
}

pub(crate) fn authorize(
    headers: &mut HeaderMap,
    auth: Filled,
    mask: &mut Mask,
) -> Result<(), String> {
    let text = match auth {
        Filled::None => return Ok(()),
        Filled::Bearer { token } => format!("Bearer {token}"),
        Filled::Basic { user, .. } if user.contains(':') => {
            return Err("a user name holds no colon".to_owned());
        }
        Filled::Basic { user, password } => {
            let encoded = STANDARD.encode(format!("{user}:{password}"));
            mask.add(&encoded);
            format!("Basic {encoded}")
        }
    };
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| "the credentials hold a line break or control character")?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

/// Writes a body in the form that its content type names; JSON without one.
pub(crate) fn encode_body(headers: &mut HeaderMap, value: Value) -> Result<Vec<u8>, String> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("")
        .to_ascii_lowercase();
    let bytes = if content_type.starts_with("application/x-www-form-urlencoded") {
        form(&value)?
    } else if let (Value::String(text), false) = (
        &value,
        content_type.is_empty() || content_type.contains("json"),
    ) {
        text.clone().into_bytes()
    } else {
        if content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        serde_json::to_vec(&value)
            .map_err(|error| format!("the body cannot be written: {error}"))?
    };
    if bytes.len() > REQUEST_BYTES_MAX {
        return Err(format!(
            "the body has {} bytes, at most {REQUEST_BYTES_MAX} are sent",
            bytes.len()
        ));
    }
    Ok(bytes)
}

fn form(value: &Value) -> Result<Vec<u8>, String> {
    let Value::Object(fields) = value else {
        return Err(format!(
            "the body of a form is {}, expected a context",
            kind(value)
        ));
    };
    let mut pairs = Vec::with_capacity(fields.len());
    for (name, field) in fields.iter().filter(|(_, field)| !field.is_null()) {
        let text = scalar(field)
            .map_err(|found| format!("form field {name} is {found}, expected a text"))?;
        pairs.push(format!(
            "{}={}",
            crate::address::encode(name),
            crate::address::encode(&text)
        ));
    }
    Ok(pairs.join("&").into_bytes())
}

pub(crate) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, field| !field.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
