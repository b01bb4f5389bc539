//! Selectors: how a recording names an element, each alternative a path through shadow roots.

use serde::Serialize;

const PATH_MAX: usize = 16;
const SELECTOR_BYTES_MAX: usize = 4096;

/// One part of a selector's path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Part {
    /// A CSS selector.
    Css {
        /// The selector.
        query: String,
    },
    /// The accessible name, and the role where it is given.
    Aria {
        /// The accessible name.
        name: String,
        /// The role.
        role: Option<String>,
    },
    /// The smallest element that holds this text.
    Text {
        /// The text.
        text: String,
    },
    /// An XPath expression.
    Xpath {
        /// The expression.
        query: String,
    },
    /// A CSS selector that is tried inside every shadow root.
    Pierce {
        /// The selector.
        query: String,
    },
}

/// One way to find an element: every part is looked for inside what the part before it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    parts: Vec<Part>,
    source: String,
}

impl Selector {
    /// Reads a selector's path as the recorder writes it.
    pub fn parse(path: &[&str]) -> Result<Self, String> {
        if path.is_empty() {
            return Err("an empty path".to_owned());
        }
        if path.len() > PATH_MAX {
            return Err(format!(
                "a path of {} parts, at most {PATH_MAX} are allowed",
                path.len()
            ));
        }
        let parts = path
            .iter()
            .map(|part| parse(part))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            parts,
            source: path.join(" >> "),
        })
    }

    /// The parts of the path.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What to call the element in a log: its name or text, else the selector itself.
    pub(crate) fn title(&self) -> &str {
        match self.parts.last() {
            Some(Part::Aria { name, .. }) => name,
            Some(Part::Text { text }) => text,
            Some(Part::Css { .. } | Part::Xpath { .. } | Part::Pierce { .. }) | None => {
                &self.source
            }
        }
    }
}

impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.source)
    }
}

fn parse(source: &str) -> Result<Part, String> {
    if source.len() > SELECTOR_BYTES_MAX {
        return Err(format!(
            "a selector of {} bytes, at most {SELECTOR_BYTES_MAX} are allowed",
            source.len()
        ));
    }
    let filled = |text: &str| {
        if text.trim().is_empty() {
            Err(format!("nothing to look for in {source:?}"))
        } else {
            Ok(text.to_owned())
        }
    };
    if let Some(rest) = source.strip_prefix("aria/") {
        let (name, role) = aria(rest);
        if name.is_empty() && role.is_none() {
            return Err(format!("nothing to look for in {source:?}"));
        }
        return Ok(Part::Aria { name, role });
    }
    if let Some(rest) = source.strip_prefix("text/") {
        return Ok(Part::Text {
            text: filled(rest)?,
        });
    }
    if let Some(rest) = source.strip_prefix("xpath/") {
        return Ok(Part::Xpath {
            query: filled(rest)?,
        });
    }
    if let Some(rest) = source.strip_prefix("pierce/") {
        return Ok(Part::Pierce {
            query: filled(rest)?,
        });
    }
    Ok(Part::Css {
        query: filled(source.strip_prefix("css/").unwrap_or(source))?,
    })
}

/// Splits `Name[role="button"]`; brackets that are no attribute belong to the name.
fn aria(source: &str) -> (String, Option<String>) {
    let mut name = source.to_owned();
    let mut role = None;
    while let Some((rest, key, value)) = last_attribute(&name) {
        match key {
            "role" => role = Some(value.to_owned()),
            "name" if rest.trim().is_empty() => {
                return (normalized(value), role);
            }
            _ => break,
        }
        name = rest.to_owned();
    }
    (normalized(&name), role)
}

fn last_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let inner = text.trim_end().strip_suffix(']')?;
    let open = inner.rfind('[')?;
    let (key, value) = inner[open + 1..].split_once('=')?;
    let value = value.trim();
    let value = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))?;
    Some((&inner[..open], key.trim(), value))
}

fn normalized(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(path: &[&str], expected: Expect) {
        expected.assert_eq(&match Selector::parse(path) {
            Ok(selector) => serde_json::to_string(selector.parts()).unwrap(),
            Err(message) => message,
        });
    }

    #[test]
    fn each_prefix_is_its_own_way_to_look() {
        check(
            &["#a > b"],
            expect![[r##"[{"by":"css","query":"#a > b"}]"##]],
        );
        check(&["css/.x"], expect![[r#"[{"by":"css","query":".x"}]"#]]);
        check(
            &["text/Save it"],
            expect![[r#"[{"by":"text","text":"Save it"}]"#]],
        );
        check(
            &["xpath///*[@id=\"x\"]"],
            expect![[r#"[{"by":"xpath","query":"//*[@id=\"x\"]"}]"#]],
        );
        check(
            &["pierce/#deep"],
            expect![[r##"[{"by":"pierce","query":"#deep"}]"##]],
        );
    }

    #[test]
    fn an_accessible_name_may_carry_a_role() {
        check(
            &["aria/Save  now[role=\"button\"]"],
            expect![[r#"[{"by":"aria","name":"Save now","role":"button"}]"#]],
        );
        check(
            &["aria/[role=\"textbox\"]"],
            expect![[r#"[{"by":"aria","name":"","role":"textbox"}]"#]],
        );
        check(
            &["aria/Total [EUR]"],
            expect![[r#"[{"by":"aria","name":"Total [EUR]","role":null}]"#]],
        );
        check(
            &["aria/[name=\"Go\"]"],
            expect![[r#"[{"by":"aria","name":"Go","role":null}]"#]],
        );
    }

    #[test]
    fn a_path_goes_through_shadow_roots() {
        check(
            &["my-form", "aria/Name"],
            expect![[
                r#"[{"by":"css","query":"my-form"},{"by":"aria","name":"Name","role":null}]"#
            ]],
        );
    }

    #[test]
    fn a_selector_that_says_nothing_is_refused() {
        check(&[], expect!["an empty path"]);
        check(&["text/ "], expect![[r#"nothing to look for in "text/ ""#]]);
        check(&["aria/"], expect![[r#"nothing to look for in "aria/""#]]);
        check(
            &["x"; 17],
            expect!["a path of 17 parts, at most 16 are allowed"],
        );
    }
}
