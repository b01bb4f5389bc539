//! Packed bots: one row of bytes for the same files, always, so that it can be their address.

use std::collections::BTreeMap;

use super::{FILES_MAX, PACKAGE_BYTES_MAX, PackageError, Problem, shown};

/// First bytes of a packed bot; the last one is the version of the format.
const MAGIC: &[u8] = b"botswain-bot\x01";

/// How many bytes `pack` will write.
pub(super) fn size(files: &BTreeMap<String, Vec<u8>>) -> usize {
    let content: usize = files
        .iter()
        .map(|(path, content)| path.len() + content.len() + 8)
        .sum();
    MAGIC.len() + 4 + content
}

pub(super) fn pack(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size(files));
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&length(files.len()));
    for (path, content) in files {
        bytes.extend_from_slice(&length(path.len()));
        bytes.extend_from_slice(path.as_bytes());
        bytes.extend_from_slice(&length(content.len()));
        bytes.extend_from_slice(content);
    }
    bytes
}

pub(super) fn unpack(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, PackageError> {
    let broken = |message: String, remedy: &str| PackageError {
        problems: vec![Problem {
            file: "the package".to_owned(),
            key: None,
            message,
            remedy: remedy.to_owned(),
        }],
    };
    let again = "push the bot's folder again";
    if bytes.len() > PACKAGE_BYTES_MAX {
        return Err(broken(
            format!(
                "{} bytes, at most {PACKAGE_BYTES_MAX} are allowed",
                bytes.len()
            ),
            "remove what the bot does not need to run",
        ));
    }
    let (name, version) = MAGIC.split_at(MAGIC.len() - 1);
    let Some(rest) = bytes.strip_prefix(name) else {
        return Err(broken("not a packed bot".to_owned(), again));
    };
    let Some(rest) = rest.strip_prefix(version) else {
        return Err(broken(
            format!("packed in a format other than {}", version[0]),
            "update Botswain on this machine",
        ));
    };
    let mut reader = Reader { bytes: rest };
    let cut = || broken("the bytes end too early".to_owned(), again);
    let count = reader.length().ok_or_else(cut)?;
    if count > FILES_MAX {
        return Err(broken(
            format!("{count} files, at most {FILES_MAX} are allowed"),
            "remove what the bot does not need to run",
        ));
    }
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for _ in 0..count {
        let path = reader.counted().ok_or_else(cut)?;
        let content = reader.counted().ok_or_else(cut)?;
        let path = std::str::from_utf8(path)
            .map_err(|_| broken("a file's path is not UTF-8".to_owned(), again))?;
        // One order only, so that the same files cannot have two addresses.
        if files
            .last_key_value()
            .is_some_and(|(last, _)| last.as_str() >= path)
        {
            return Err(broken(
                format!("{} is not in its place", shown(path)),
                again,
            ));
        }
        files.insert(path.to_owned(), content.to_vec());
    }
    if !reader.bytes.is_empty() {
        return Err(broken(
            format!("{} bytes follow the last file", reader.bytes.len()),
            again,
        ));
    }
    Ok(files)
}

struct Reader<'b> {
    bytes: &'b [u8],
}

impl<'b> Reader<'b> {
    fn length(&mut self) -> Option<usize> {
        let (head, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        usize::try_from(u32::from_le_bytes(*head)).ok()
    }

    fn counted(&mut self) -> Option<&'b [u8]> {
        let length = self.length()?;
        let (head, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(head)
    }
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length)
        .expect("a checked package is far smaller than 4 GiB")
        .to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::{MANIFEST, Package, RECORDING};

    fn bot() -> Package {
        let manifest = "name = 'b'\nversion = 1\ndriver = 'browser'\neffect = 'pure'\n\
            [input]\ntype = 'object'\n[output]\ntype = 'object'";
        Package::from_files(BTreeMap::from([
            (MANIFEST.to_owned(), manifest.as_bytes().to_vec()),
            (RECORDING.to_owned(), b"{}".to_vec()),
        ]))
        .unwrap()
    }

    #[test]
    fn packed_bytes_that_were_cut_or_changed_are_refused() {
        let packed = bot().pack();
        for end in 0..packed.len() {
            assert!(Package::unpack(&packed[..end]).is_err(), "cut at {end}");
        }
        let mut longer = packed.clone();
        longer.push(0);
        assert!(Package::unpack(&longer).is_err());
        let mut newer = packed;
        newer[MAGIC.len() - 1] = 2;
        assert_eq!(
            Package::unpack(&newer).unwrap_err().to_string(),
            "the package: packed in a format other than 1; update Botswain on this machine"
        );
    }

    #[test]
    fn files_in_another_order_are_refused() {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(length(2));
        for path in ["b", "a"] {
            bytes.extend(length(1));
            bytes.extend(path.as_bytes());
            bytes.extend(length(0));
        }
        assert_eq!(
            Package::unpack(&bytes).unwrap_err().to_string(),
            "the package: a is not in its place; push the bot's folder again"
        );
    }
}
