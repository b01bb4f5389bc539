//! Fields: a JSON body taken apart field by field, so that what is wrong is named with its place and what would be right.

use super::problem::Problem;
use axum::RequestExt;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use botswain_engine::{Key, Variables};
use serde_json::value::RawValue;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The most bytes of a request, in all doors but the one for bot packages.
pub(crate) const REQUEST_BYTES_MAX: usize = 10_000_000;

/// The longest name, type or id.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// A longer explanation is cut: a worker that reports its failure must not be refused for its stack trace.
const PROSE_BYTES_MAX: usize = 16 << 10;

/// The most entries of a list of texts.
const LIST_MAX: usize = 1_000;

/// How much of a wrong value is repeated.
const EXCERPT_CHARS_MAX: usize = 80;

/// The body of a JSON request.
pub(crate) struct Payload(Bytes);

impl Payload {
    /// Its fields; an empty body has none.
    pub(crate) fn fields(&self) -> Result<Fields<'_>, Problem> {
        Fields::read(&self.0)
    }
}

impl<S: Send + Sync> FromRequest<S> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Payload, Problem> {
        let media = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = whole_body(request).await?;
        // A page on another site can send plain text and forms without asking; JSON it cannot.
        let is_json = media.as_ref().is_none_or(|media| {
            let media = media.to_str().unwrap_or_default().to_ascii_lowercase();
            media.starts_with("application/json")
                || media
                    .split(';')
                    .next()
                    .is_some_and(|media| media.trim().ends_with("+json"))
        });
        if !bytes.is_empty() && !is_json {
            let detail = format!(
                "the body is of type {:?}: send JSON with the header Content-Type: application/json",
                media
                    .as_ref()
                    .and_then(|media| media.to_str().ok())
                    .unwrap_or("?")
            );
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UNSUPPORTED_MEDIA_TYPE",
                detail,
            ));
        }
        Ok(Payload(bytes))
    }
}

/// Reads a body up to the limit that its route has.
pub(crate) async fn whole_body(request: Request) -> Result<Bytes, Problem> {
    request
        .extract::<Bytes, _>()
        .await
        .map_err(|rejection: BytesRejection| unreadable(rejection.status(), &rejection.body_text()))
}

/// Says why a body could not be read.
pub(crate) fn unreadable(status: StatusCode, text: &str) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let detail = format!(
            "the request is larger than the limit, which is {REQUEST_BYTES_MAX} bytes ({} MB) and for bot packages {} MiB: \
             keep large documents outside and pass a reference",
            REQUEST_BYTES_MAX / 1_000_000,
            botswain_proto::package::PACKAGE_BYTES_MAX >> 20,
        );
        return Problem::new(status, "PAYLOAD_TOO_LARGE", detail);
    }
    Problem::wrong(format!("the body could not be read: {text}"))
}

/// The fields of a JSON object, with the place where it stands in the request.
pub(crate) struct Fields<'b> {
    place: String,
    fields: BTreeMap<SmolStr, &'b RawValue>,
}

impl<'b> Fields<'b> {
    fn read(bytes: &'b [u8]) -> Result<Fields<'b>, Problem> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            Problem::wrong(format!(
                "the body is not UTF-8 at byte {}",
                error.valid_up_to()
            ))
        })?;
        let trimmed = text.trim_start();
        if trimmed.is_empty() {
            return Ok(Fields {
                place: String::new(),
                fields: BTreeMap::new(),
            });
        }
        if !trimmed.starts_with('{') {
            return Err(Problem::wrong(format!(
                "the body is not a JSON object: expected {{\"field\": value, …}}, found {}",
                excerpt(trimmed)
            )));
        }
        let fields = serde_json::from_str(text)
            .map_err(|error| Problem::wrong(format!("the body is not valid JSON: {error}")))?;
        Ok(Fields {
            place: String::new(),
            fields,
        })
    }

    /// The names of all fields that are there.
    pub(crate) fn names(&self) -> impl Iterator<Item = &SmolStr> {
        self.fields.keys()
    }

    /// Where a field stands in the request.
    pub(crate) fn place(&self, name: &str) -> String {
        if self.place.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.place)
        }
    }

    /// A field's JSON; `null` is as good as absent.
    pub(crate) fn json(&self, name: &str) -> Option<&'b str> {
        self.fields
            .get(name)
            .map(|raw| raw.get())
            .filter(|json| *json != "null")
    }

    fn wrong(&self, name: &str, expected: &str) -> Problem {
        let found = self
            .json(name)
            .map_or_else(|| "nothing".to_owned(), excerpt);
        Problem::wrong(format!(
            "field '{}': expected {expected}, found {found}",
            self.place(name)
        ))
    }

    fn typed<T: serde::Deserialize<'b>>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Problem> {
        match self.json(name) {
            None => Ok(None),
            Some(json) => serde_json::from_str(json)
                .map(Some)
                .map_err(|_| self.wrong(name, expected)),
        }
    }

    /// A short text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<SmolStr>, Problem> {
        let text: Option<String> = self.typed(name, "text")?;
        match text {
            Some(text) if text.len() > TEXT_BYTES_MAX => Err(Problem::wrong(format!(
                "field '{}': has {} bytes, the limit is {TEXT_BYTES_MAX}",
                self.place(name),
                text.len()
            ))),
            text => Ok(text.map(SmolStr::from)),
        }
    }

    /// A short text that must be there and say something.
    pub(crate) fn needed_text(&self, name: &str) -> Result<SmolStr, Problem> {
        match self.text(name)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            Some(_) => Err(self.wrong(name, "text that is not blank")),
            None => Err(Problem::wrong(format!("No {} provided.", self.place(name)))),
        }
    }

    /// An explanation for people; what is too long is cut.
    pub(crate) fn prose(&self, name: &str) -> Result<String, Problem> {
        let mut text: String = self.typed(name, "text")?.unwrap_or_default();
        if text.len() > PROSE_BYTES_MAX {
            text.truncate(text.floor_char_boundary(PROSE_BYTES_MAX));
            text.push('…');
        }
        Ok(text)
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.typed(name, "true or false")
    }

    /// A whole number between `least` and `most`.
    pub(crate) fn integer(
        &self,
        name: &str,
        least: i64,
        most: i64,
    ) -> Result<Option<i64>, Problem> {
        let expected = || format!("a whole number from {least} to {most}");
        let number = self
            .typed::<i64>(name, "a whole number")
            .map_err(|_| self.wrong(name, &expected()))?;
        match number {
            Some(number) if !(least..=most).contains(&number) => Err(self.wrong(name, &expected())),
            number => Ok(number),
        }
    }

    /// A key, as text or as a number.
    pub(crate) fn key(&self, name: &str) -> Result<Option<Key>, Problem> {
        let Some(json) = self.json(name) else {
            return Ok(None);
        };
        let text = json.trim_matches('"');
        match parse_key(text) {
            Some(key) => Ok(Some(key)),
            None => Err(self.wrong(name, "a key such as \"2251799813685249\"")),
        }
    }

    /// A list of short texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<SmolStr>, Problem> {
        let list: Vec<SmolStr> = self.typed(name, "a list of texts")?.unwrap_or_default();
        let too_long = list.iter().any(|text| text.len() > TEXT_BYTES_MAX);
        if list.len() > LIST_MAX || too_long {
            return Err(Problem::wrong(format!(
                "field '{}': expected at most {LIST_MAX} texts of at most {TEXT_BYTES_MAX} bytes",
                self.place(name)
            )));
        }
        Ok(list)
    }

    /// An object inside.
    pub(crate) fn object(&self, name: &str) -> Result<Option<Fields<'b>>, Problem> {
        let fields = self.typed(name, "an object")?;
        Ok(fields.map(|fields| Fields {
            place: self.place(name),
            fields,
        }))
    }

    /// A list of objects inside.
    pub(crate) fn objects(&self, name: &str) -> Result<Vec<Fields<'b>>, Problem> {
        let list: Vec<BTreeMap<SmolStr, &'b RawValue>> =
            self.typed(name, "a list of objects")?.unwrap_or_default();
        if list.len() > LIST_MAX {
            return Err(self.wrong(name, &format!("at most {LIST_MAX} objects")));
        }
        let place = |at| format!("{}[{at}]", self.place(name));
        Ok(list
            .into_iter()
            .enumerate()
            .map(|(at, fields)| Fields {
                place: place(at),
                fields,
            })
            .collect())
    }

    /// Variables: an object of any values.
    pub(crate) fn variables(&self, name: &str) -> Result<Variables, Problem> {
        match self.json(name) {
            None => Ok(Variables::new()),
            Some(json) => Variables::from_json(json)
                .map_err(|error| Problem::wrong(format!("field '{}': {error}", self.place(name)))),
        }
    }

    /// The tenant; there is only one.
    pub(crate) fn tenant(&self) -> Result<(), Problem> {
        tenant_is_default(self.text("tenantId")?.as_deref())
    }
}

/// Refuses tenants other than the default one.
pub(crate) fn tenant_is_default(tenant: Option<&str>) -> Result<(), Problem> {
    match tenant {
        None | Some("" | super::TENANT) => Ok(()),
        Some(other) => Err(Problem::wrong(format!(
            "Expected to handle request with tenant identifier '{}', but multi-tenancy is disabled",
            other.chars().take(EXCERPT_CHARS_MAX).collect::<String>()
        ))),
    }
}

/// Reads a key.
pub(crate) fn parse_key(text: &str) -> Option<Key> {
    let key = match text.parse::<u64>() {
        Ok(key) => key,
        Err(_) => text.parse::<i64>().ok()?.cast_unsigned(),
    };
    (key != 0).then(|| Key::from_u64(key))
}

/// Reads the key in a path.
pub(crate) fn path_key(text: &str) -> Result<Key, Problem> {
    parse_key(text).ok_or_else(|| {
        Problem::wrong(format!(
            "the path's key: expected a key such as 2251799813685249, found {}",
            excerpt(text)
        ))
    })
}

/// The beginning of a wrong value.
pub(crate) fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(EXCERPT_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
