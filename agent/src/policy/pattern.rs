//! Patterns: `*` stands for any characters but `/`, `**` for any characters; everything else stands for itself.

/// A pattern for names, paths and arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(String);

/// Longest pattern and longest text that is compared: matching takes time proportional to their product.
const BYTES_MAX: usize = 4096;

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > BYTES_MAX {
            return Err(format!("a pattern has 1 to {BYTES_MAX} bytes"));
        }
        Ok(Self(text.to_owned()))
    }

    /// An argument may itself be empty, so its pattern may be.
    pub(super) fn argument(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(String::new()));
        }
        Self::new(text)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        if text.len() > BYTES_MAX {
            return false;
        }
        if !self.0.contains('*') {
            return self.0 == text;
        }
        // A pattern that begins with a star never stands for an option, and no star climbs out of a folder.
        if self.0.starts_with('*') && text.starts_with('-') {
            return false;
        }
        if text.split('/').any(|part| part == "..") {
            return false;
        }
        matches(self.0.as_bytes(), text.as_bytes())
    }
}

/// Compares by rows of a table, so that no pattern makes it slow.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let (any, length) = match (pattern[at], pattern.get(at + 1)) {
            (b'*', Some(b'*')) => (Some(true), 2),
            (b'*', _) => (Some(false), 1),
            _ => (None, 1),
        };
        let mut next = vec![false; text.len() + 1];
        for end in 0..=text.len() {
            next[end] = match any {
                Some(slashes) => {
                    reached[end] || (end > 0 && next[end - 1] && (slashes || text[end - 1] != b'/'))
                }
                None => end > 0 && reached[end - 1] && text[end - 1] == pattern[at],
            };
        }
        reached = next;
        at += length;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let pattern = Pattern::new(pattern).unwrap();
        for text in yes {
            assert!(pattern.matches(text), "{pattern:?} {text}");
        }
        for text in no {
            assert!(!pattern.matches(text), "{pattern:?} {text}");
        }
    }

    #[test]
    fn a_pattern_stands_for_what_it_says() {
        check("lp", &["lp"], &["lpr", "", "*"]);
        check(
            "crm.*",
            &["crm.add", "crm."],
            &["crm", "xcrm.add", "crm.a/b"],
        );
        check("/a/**", &["/a/b/c", "/a/"], &["/a", "/b/c", "/a/../b"]);
        check("*.txt", &["a.txt"], &["-o.txt", "d/a.txt", "../a.txt"]);
        check("--name=*", &["--name=x y"], &["--name=a/b", "--other=x"]);
        check("a*b*c", &["abc", "axxbyyc"], &["ab", "acb"]);
    }
}
