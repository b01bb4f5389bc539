//! Status: sets of HTTP statuses, and what a status says about the effect of a request.

use serde_json::Value;

use crate::outcome::{Effect, Happened};

/// A set of statuses, written as `409` or `"4xx"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StatusSet(Vec<(u16, u16)>);

impl StatusSet {
    pub(crate) fn of(ranges: &[(u16, u16)]) -> Self {
        Self(ranges.to_vec())
    }

    pub(crate) fn success() -> Self {
        Self::of(&[(200, 299)])
    }

    /// Overload and faults that pass by themselves.
    pub(crate) fn retryable() -> Self {
        Self::of(&[(408, 408), (425, 425), (429, 429), (500, 500), (502, 504)])
    }

    /// Statuses by which a server says that it refused the request before doing anything. 408 is not one of them: it may
    /// come from a gateway that passed the request on.
    pub(crate) fn did_not_happen() -> Self {
        Self::of(&[(301, 301), (304, 304), (307, 308), (400, 407), (409, 499)])
    }

    pub(crate) fn contains(&self, status: u16) -> bool {
        self.0
            .iter()
            .any(|(from, to)| (*from..=*to).contains(&status))
    }

    /// Reads one status or a list of them; the error says what was found.
    pub(crate) fn parse(value: &Value) -> Result<Self, String> {
        let one = std::slice::from_ref(value);
        let items = value.as_array().map_or(one, Vec::as_slice);
        let ranges = items.iter().map(range).collect::<Result<Vec<_>, _>>()?;
        if ranges.is_empty() || ranges.len() > 50 {
            return Err(format!("{} entries", ranges.len()));
        }
        Ok(Self(ranges))
    }
}

fn range(value: &Value) -> Result<(u16, u16), String> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        other => return Err(format!("{other}")),
    };
    let class = match text.as_str() {
        "1xx" => Some(100),
        "2xx" => Some(200),
        "3xx" => Some(300),
        "4xx" => Some(400),
        "5xx" => Some(500),
        _ => None,
    };
    if let Some(class) = class {
        return Ok((class, class + 99));
    }
    match text.parse::<u16>() {
        Ok(status @ 100..=599) => Ok((status, status)),
        _ => Err(format!("{text:?}")),
    }
}

/// Whether a call with this effect may have had it, when it is not certain that nothing was done.
pub(crate) fn perhaps(effect: Effect) -> Happened {
    match effect {
        Effect::Pure => Happened::No,
        Effect::Idempotent | Effect::AtMostOnce => Happened::Perhaps,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statuses_are_named_one_by_one_or_by_class() {
        let set = StatusSet::parse(&json!([404, "409", "5xx"])).unwrap();
        assert!(set.contains(404) && set.contains(409) && set.contains(500) && set.contains(599));
        assert!(!set.contains(408) && !set.contains(200));
        assert!(StatusSet::parse(&json!(201)).unwrap().contains(201));
        for wrong in [json!([]), json!(99), json!("6xx"), json!(true), json!([{}])] {
            assert!(StatusSet::parse(&wrong).is_err(), "{wrong}");
        }
    }
}
