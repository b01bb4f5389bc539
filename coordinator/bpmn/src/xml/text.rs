//! Which characters the bytes of a document are.

use std::borrow::Cow;

/// Turns bytes into text by their byte order mark or their XML declaration.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    if let Some(rest) = bytes.strip_prefix(&[0xEF, 0xBB, 0xBF]) {
        return utf8(rest);
    }
    if let Some(rest) = bytes.strip_prefix(&[0xFF, 0xFE]) {
        return utf16(rest, u16::from_le_bytes);
    }
    if let Some(rest) = bytes.strip_prefix(&[0xFE, 0xFF]) {
        return utf16(rest, u16::from_be_bytes);
    }
    match declared_encoding(bytes).as_deref() {
        None | Some("utf-8" | "us-ascii" | "ascii" | "utf8") => utf8(bytes),
        // Every byte of Latin-1 is the character of the same number.
        Some("iso-8859-1" | "latin1") => Ok(bytes
            .iter()
            .map(|byte| char::from(*byte))
            .collect::<String>()
            .into()),
        Some(other) => Err(format!("the encoding `{other}` is not read")),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(error) => Err(format!("byte {} is not UTF-8", error.valid_up_to() + 1)),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Cow<'_, str>, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("the last character of the UTF-16 text is cut off".into());
    }
    char::decode_utf16(pairs.iter().copied().map(unit))
        .collect::<Result<String, _>>()
        .map(Cow::from)
        .map_err(|error| error.to_string())
}

fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = bytes.get(..bytes.len().min(200))?;
    let end = head.windows(2).position(|pair| pair == b"?>")?;
    let declaration = std::str::from_utf8(head.strip_prefix(b"<?xml")?.get(..end - 5)?).ok()?;
    let value = declaration
        .split_once("encoding")?
        .1
        .trim_start()
        .strip_prefix('=')?
        .trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let value = value[1..].split_once(quote)?.0;
    Some(value.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn text_is_read_in_the_encodings_that_modelers_write() {
        assert_eq!(decode(b"\xEF\xBB\xBF<a/>").as_deref(), Ok("<a/>"));
        assert_eq!(decode(b"\xFF\xFE<\0a\0/\0>\0").as_deref(), Ok("<a/>"));
        assert_eq!(decode(b"\xFE\xFF\0<\0a\0/\0>").as_deref(), Ok("<a/>"));
        assert_eq!(
            decode(b"<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xE4'/>")
                .as_deref()
                .map(|text| text.contains('\u{e4}')),
            Ok(true)
        );
        assert_eq!(
            decode(b"<?xml version='1.0' encoding='EBCDIC'?>"),
            Err("the encoding `ebcdic` is not read".into())
        );
        assert_eq!(decode(b"ab\xFF"), Err("byte 3 is not UTF-8".into()));
        assert!(decode(b"\xFF\xFE<").is_err());
        assert_eq!(decode(b"<?xml?>").as_deref(), Ok("<?xml?>"));
    }
}
