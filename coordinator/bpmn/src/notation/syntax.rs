//! How the text notation is divided into paths, branches, mentions and arguments.

use super::problem;
use crate::problem::Problem;

/// Deeper nesting than this is a mistake; processes that nest deeper are built by programs.
const DEPTH_MAX: usize = 64;

pub(super) type Path<'a> = Vec<Step<'a>>;

pub(super) enum Step<'a> {
    Mention(Box<Mention<'a>>),
    Branches(Vec<Path<'a>>),
    Condition(Condition<'a>),
}

pub(super) struct Mention<'a> {
    pub(super) at: usize,
    pub(super) name: String,
    pub(super) kind: Option<KindText<'a>>,
    pub(super) host: Option<&'a str>,
}

pub(super) struct KindText<'a> {
    pub(super) word: &'a str,
    pub(super) args: Vec<Arg<'a>>,
    pub(super) body: Option<Vec<Path<'a>>>,
}

#[derive(Clone, Copy)]
pub(super) struct Arg<'a> {
    pub(super) at: usize,
    pub(super) text: &'a str,
}

pub(super) enum Condition<'a> {
    When { feel: &'a str },
    Otherwise { at: usize },
}

pub(super) fn parse(text: &str) -> Result<Vec<Path<'_>>, Box<Problem>> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    let paths = parser.paths()?;
    if parser.peek().is_some() {
        return Err(parser.unexpected("`>`, `;` or the end of the text"));
    }
    Ok(paths)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn paths(&mut self) -> Result<Vec<Path<'a>>, Box<Problem>> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(problem(
                self.text,
                self.at,
                "this is nested too deep".into(),
                "build deeper processes with `Builder`",
            ));
        }
        let mut paths = vec![self.path()?];
        while self.take(';') {
            if !matches!(self.peek(), None | Some('}')) {
                paths.push(self.path()?);
            }
        }
        self.depth -= 1;
        Ok(paths)
    }

    fn path(&mut self) -> Result<Path<'a>, Box<Problem>> {
        let mut path = self.step()?;
        while self.take('>') {
            path.extend(self.step()?);
        }
        Ok(path)
    }

    /// Reads an element or branches, with the condition before it.
    fn step(&mut self) -> Result<Path<'a>, Box<Problem>> {
        let mut steps = Path::new();
        if self.peek() == Some('[') {
            steps.push(Step::Condition(self.condition()?));
            // `[again] > try` reads as well as `[again] try`.
            self.take('>');
        }
        match self.peek() {
            Some('(') => steps.push(Step::Branches(self.branches()?)),
            Some('|' | ')') if !steps.is_empty() => {}
            _ => steps.push(Step::Mention(Box::new(self.mention()?))),
        }
        Ok(steps)
    }

    fn branches(&mut self) -> Result<Vec<Path<'a>>, Box<Problem>> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(problem(
                self.text,
                self.at,
                "this is nested too deep".into(),
                "build deeper processes with `Builder`",
            ));
        }
        self.take('(');
        let mut branches = Vec::new();
        loop {
            let empty = matches!(self.peek(), Some('|' | ')'));
            branches.push(if empty { Path::new() } else { self.path()? });
            if self.take('|') {
                continue;
            }
            if self.take(')') {
                break;
            }
            return Err(self.unexpected("`|` or `)`"));
        }
        self.depth -= 1;
        Ok(branches)
    }

    fn condition(&mut self) -> Result<Condition<'a>, Box<Problem>> {
        let at = self.at;
        let feel = self.enclosed('[', ']')?.text.trim();
        match feel {
            "" => Err(problem(
                self.text,
                at,
                "the condition is empty".into(),
                "write an expression, or `[else]`",
            )),
            "else" => Ok(Condition::Otherwise { at }),
            feel => Ok(Condition::When { feel }),
        }
    }

    fn mention(&mut self) -> Result<Mention<'a>, Box<Problem>> {
        let at = self.skip();
        let first = self.word();
        if first.is_empty() {
            return Err(self.unexpected("an element such as `pick:job`"));
        }
        if self.take('@') {
            let second = self.word();
            if second.is_empty() {
                return Err(self.unexpected("a boundary event such as `pick@late:timer(PT1H)`"));
            }
            if self.take(':') {
                let kind = self.kind(None)?;
                return Ok(Mention {
                    at,
                    name: second.to_owned(),
                    kind: Some(kind),
                    host: Some(first),
                });
            }
            let kind = self.kind(Some(second))?;
            return Ok(Mention {
                at,
                name: format!("{first}.{second}"),
                kind: Some(kind),
                host: Some(first),
            });
        }
        let kind = if self.take(':') {
            Some(self.kind(None)?)
        } else {
            None
        };
        Ok(Mention {
            at,
            name: first.to_owned(),
            kind,
            host: None,
        })
    }

    fn kind(&mut self, word: Option<&'a str>) -> Result<KindText<'a>, Box<Problem>> {
        let word = word.unwrap_or_else(|| self.word());
        let args = if self.peek() == Some('(') {
            self.args()?
        } else {
            Vec::new()
        };
        let mut body = None;
        if self.take('{') {
            body = Some(self.paths()?);
            if !self.take('}') {
                return Err(self.unexpected("`>`, `;` or `}`"));
            }
        }
        if word.is_empty() && body.is_none() {
            return Err(self.unexpected("a kind such as `job`, or `{` for a sub-process"));
        }
        Ok(KindText { word, args, body })
    }

    fn args(&mut self) -> Result<Vec<Arg<'a>>, Box<Problem>> {
        let all = self.enclosed('(', ')')?;
        let mut args = Vec::new();
        let mut begin = 0;
        for (at, c) in top_level(all.text) {
            if c == ',' {
                args.push(trimmed(all.at + begin, &all.text[begin..at]));
                begin = at + 1;
            }
        }
        args.push(trimmed(all.at + begin, &all.text[begin..]));
        args.retain(|arg| !arg.text.is_empty());
        Ok(args)
    }

    /// Reads what stands between two brackets, those inside and those in strings left alone.
    fn enclosed(&mut self, open: char, close: char) -> Result<Arg<'a>, Box<Problem>> {
        let begin = self.skip();
        let rest = &self.text[begin + open.len_utf8()..];
        let Some(len) = closing(rest, open, close) else {
            let remedy = format!("close it with `{close}`, and the strings inside with `\"`");
            return Err(problem(
                self.text,
                begin,
                format!("this `{open}` is not closed"),
                &remedy,
            ));
        };
        self.at = begin + open.len_utf8() + len + close.len_utf8();
        Ok(Arg {
            at: begin + open.len_utf8(),
            text: &rest[..len],
        })
    }

    fn word(&mut self) -> &'a str {
        let begin = self.skip();
        let rest = &self.text[begin..];
        let len = rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .unwrap_or(rest.len());
        self.at = begin + len;
        &rest[..len]
    }

    fn skip(&mut self) -> usize {
        self.at = self.text.len() - self.text[self.at..].trim_start().len();
        self.at
    }

    fn peek(&mut self) -> Option<char> {
        let at = self.skip();
        self.text[at..].chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn unexpected(&mut self, wanted: &str) -> Box<Problem> {
        let found = match self.peek() {
            Some(c) => format!("found `{c}`"),
            None => "the text ends".to_owned(),
        };
        problem(self.text, self.at, found, &format!("write {wanted} here"))
    }
}

fn trimmed(at: usize, text: &str) -> Arg<'_> {
    Arg {
        at: at + text.len() - text.trim_start().len(),
        text: text.trim(),
    }
}

/// Finds the bracket that closes one opened before `text`.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0usize;
    let mut quoted = Quoted::default();
    for (at, c) in text.char_indices() {
        if quoted.inside(c) {
            continue;
        }
        if c == open {
            depth += 1;
        } else if c == close {
            if depth == 0 {
                return Some(at);
            }
            depth -= 1;
        }
    }
    None
}

/// Lists the characters that stand outside of strings and brackets.
pub(super) fn top_level(text: &str) -> impl DoubleEndedIterator<Item = (usize, char)> {
    let mut depth = 0usize;
    let mut quoted = Quoted::default();
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        if quoted.inside(c) {
            continue;
        }
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 => found.push((at, c)),
            _ => {}
        }
    }
    found.into_iter()
}

/// Follows FEEL's strings.
#[derive(Default)]
struct Quoted {
    open: bool,
    escaped: bool,
}

impl Quoted {
    fn inside(&mut self, c: char) -> bool {
        if !self.open {
            self.open = c == '"';
            return self.open;
        }
        if self.escaped {
            self.escaped = false;
        } else if c == '\\' {
            self.escaped = true;
        } else if c == '"' {
            self.open = false;
        }
        true
    }
}
