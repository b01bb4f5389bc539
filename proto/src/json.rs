//! JSON payloads: whether they are an object of acceptable size and depth.

use crate::limits::{JSON_DEPTH_MAX, PAYLOAD_MAX_BYTES};

/// Why a payload is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// More bytes than a message may carry.
    #[error("holds {found} bytes of JSON, at most {max} are allowed; send larger values as a file")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Nested more deeply than any reader follows.
    #[error("nests more than {JSON_DEPTH_MAX} levels")]
    TooDeep,
    /// Not JSON, or not an object.
    #[error("is not a JSON object: {0}")]
    NotAnObject(String),
}

/// A JSON object, as text and as value.
pub type Object = serde_json::Map<String, serde_json::Value>;

/// Reads a payload that must be an object; no bytes at all are the empty object.
pub fn object(bytes: &[u8]) -> Result<Object, JsonError> {
    object_within(bytes, PAYLOAD_MAX_BYTES)
}

/// Reads an object with a size limit of the caller's.
pub fn object_within(bytes: &[u8], max: usize) -> Result<Object, JsonError> {
    if bytes.is_empty() {
        return Ok(Object::new());
    }
    if bytes.len() > max {
        return Err(JsonError::TooLarge {
            found: bytes.len(),
            max,
        });
    }
    // Depth is counted before parsing, because the parser's own limit differs and its stack is not ours to spend.
    if depth(bytes) > JSON_DEPTH_MAX {
        return Err(JsonError::TooDeep);
    }
    serde_json::from_slice(bytes).map_err(|error| JsonError::NotAnObject(error.to_string()))
}

/// The deepest nesting of brackets outside of strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut open, mut deepest) = (0usize, 0usize);
    let (mut in_string, mut escaped) = (false, false);
    for &byte in bytes {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_fair_size_is_read() {
        assert_eq!(object(b"").unwrap(), Object::new());
        assert_eq!(object(br#"{"a":"[[[{\"{"}"#).unwrap().len(), 1);
    }

    #[test]
    fn anything_else_is_refused_with_its_reason() {
        assert!(matches!(object(b"[1]"), Err(JsonError::NotAnObject(_))));
        assert!(matches!(object(b"{"), Err(JsonError::NotAnObject(_))));
        let deep = format!("{}1{}", "{\"a\":".repeat(65), "}".repeat(65));
        assert_eq!(object(deep.as_bytes()), Err(JsonError::TooDeep));
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(PAYLOAD_MAX_BYTES));
        assert!(matches!(
            object(large.as_bytes()),
            Err(JsonError::TooLarge { .. })
        ));
    }
}
