//! Random processes: block-structured models over all elements that are executed, with the elements that an undisturbed run
//! completes. They are made as text, so that what a seed found can be read and becomes a scenario.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Numbers that only depend on the seed (SplitMix64).
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True in so many of a hundred cases.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// How often each element completes.
pub(super) type Counts = BTreeMap<String, u32>;

/// A model, what it starts with, and what an undisturbed run does.
pub(super) struct Generated {
    pub(super) text: String,
    pub(super) variables: String,
    /// What completes when nothing fails and no boundary event happens; none where the order of the inputs decides.
    pub(super) completes: Option<Counts>,
}

/// Makes the model of a seed.
pub(super) fn generate(seed: u64) -> Generated {
    let mut maker = Maker {
        dice: Dice::new(seed),
        next: 0,
        elements_left: 14,
        conditions: Vec::new(),
        is_certain: true,
    };
    let (text, counts) = maker.scope(3);
    let mut variables = String::from(r#"{"key":"k","y":1"#);
    for (at, holds) in maker.conditions.iter().enumerate() {
        let _ = write!(variables, r#","c{at}":{holds}"#);
    }
    variables.push('}');
    Generated {
        text,
        variables,
        completes: maker.is_certain.then_some(counts),
    }
}

struct Maker {
    dice: Dice,
    next: u32,
    elements_left: i32,
    conditions: Vec<bool>,
    is_certain: bool,
}

/// What one scope gathers: paths beside the main one.
type Beside = Vec<String>;

impl Maker {
    fn id(&mut self, kind: &str) -> String {
        self.next += 1;
        self.elements_left -= 1;
        format!("{kind}{}", self.next)
    }

    /// A whole scope: `start > … > end; …`.
    fn scope(&mut self, depth: u32) -> (String, Counts) {
        let mut beside = Beside::new();
        let (path, counts) = self.path(depth, &mut beside);
        let mut text = format!("start > {path} > end");
        for path in beside {
            text.push_str(";\n  ");
            text.push_str(&path);
        }
        (text, counts)
    }

    fn path(&mut self, depth: u32, beside: &mut Beside) -> (String, Counts) {
        let mut blocks = Vec::new();
        let mut counts = Counts::new();
        for _ in 0..1 + self.dice.below(2) {
            let (text, more) = self.block(depth, beside);
            blocks.push(text);
            add(&mut counts, &more, 1);
        }
        (blocks.join(" > "), counts)
    }

    fn block(&mut self, depth: u32, beside: &mut Beside) -> (String, Counts) {
        if depth == 0 || self.elements_left <= 0 {
            return self.task(beside);
        }
        match self.dice.below(12) {
            0..=3 => self.task(beside),
            4 => self.choice(depth, beside),
            5 | 6 => self.fork(depth, beside),
            7 | 8 => self.sub_process(depth, beside),
            9 => self.failing_sub_process(depth, beside),
            10 => self.turns(depth, beside),
            _ => self.terminated(depth, beside),
        }
    }

    fn task(&mut self, beside: &mut Beside) -> (String, Counts) {
        let (kind, waits) = match self.dice.below(16) {
            0..=4 => ("job", true),
            5 => ("user", true),
            6 => ("send", true),
            7 => ("manual", false),
            8 => ("task", false),
            9 => ("timer", false),
            10 => ("message", false),
            11 => ("receive", true),
            12 => ("rule", true),
            13 => ("script", false),
            14 => ("throw", false),
            _ => ("mapped", true),
        };
        let id = self.id(kind);
        let repeats = matches!(
            kind,
            "job" | "user" | "receive" | "script" | "rule" | "send"
        ) && self.dice.chance(20);
        let (marker, times) = if repeats {
            self.marker(&id)
        } else {
            (String::new(), 1)
        };
        let comma = if marker.is_empty() { "" } else { ", " };
        let text = match kind {
            "job" | "user" if marker.is_empty() => format!("{id}:{kind}"),
            "job" | "user" => format!("{id}:{kind}({marker})"),
            "send" | "rule" => format!("{id}:{kind}(type={id}{comma}{marker})"),
            "timer" => format!("{id}:timer(PT1H)"),
            "message" => format!("{id}:message({id}, key=key)"),
            "receive" => format!("{id}:receive({id}, key=key{comma}{marker})"),
            "script" => format!("{id}:script(y + 1 -> r_{id}{comma}{marker})"),
            "throw" => format!("{id}:throw(message={id}, type={id})"),
            "mapped" => format!("{id}:job(in x = y + 1, out z.{id} = assert(x, x != null))"),
            kind => format!("{id}:{kind}"),
        };
        let text = if waits {
            self.watched(text, &id, beside)
        } else {
            text
        };
        (text, Counts::from([(id, times)]))
    }

    /// A multi-instance marker and how many children complete.
    fn marker(&mut self, id: &str) -> (String, u32) {
        let children = self.dice.below(4) as u32;
        let list: Vec<String> = (1..=children).map(|n| n.to_string()).collect();
        let kind = if self.dice.chance(40) { "seq" } else { "each" };
        let mut text = format!("{kind} x in [{}]", list.join(","));
        if self.dice.chance(50) {
            let _ = write!(text, ", collect r_{id} = x");
        }
        let mut times = children;
        if self.dice.chance(25) {
            text.push_str(", until numberOfCompletedInstances >= 1");
            times = children.min(1);
            // Children side by side that need no input may all complete before the first one is looked at.
            self.is_certain &= kind == "seq";
        }
        (text, times)
    }

    /// Puts boundary events at an activity; interrupting ones lead back to the path, so that joins behind are still reached.
    fn watched(&mut self, text: String, host: &str, beside: &mut Beside) -> String {
        if self.elements_left <= 0 || !self.dice.chance(25) {
            return text;
        }
        let boundary = self.id("b");
        let interrupting = self.dice.chance(50);
        let (trigger, interrupting) = match self.dice.below(4) {
            0 => (String::from("timer(PT2H"), interrupting),
            1 if !interrupting => (String::from("timer(R2/PT2H"), false),
            1 => (String::from("error(E"), true),
            2 => (format!("message({boundary}, key=key"), interrupting),
            _ => (String::from("error"), true),
        };
        let trigger = match (trigger.contains('('), interrupting) {
            (true, true) => format!("{trigger})"),
            (true, false) => format!("{trigger}, non-interrupting)"),
            (false, _) => trigger,
        };
        let (path, _) = self.path(0, beside);
        if interrupting {
            let merge = self.id("m");
            beside.push(format!("{host}@{boundary}:{trigger} > {path} > {merge}"));
            format!("{text} > {merge}:xor")
        } else {
            let end = self.id("e");
            beside.push(format!("{host}@{boundary}:{trigger} > {path} > {end}:end"));
            text
        }
    }

    fn choice(&mut self, depth: u32, beside: &mut Beside) -> (String, Counts) {
        let (split, merge) = (self.id("g"), self.id("g"));
        let holds = self.dice.chance(50);
        let condition = self.conditions.len();
        self.conditions.push(holds);
        let (yes, if_yes) = self.path(depth - 1, beside);
        let (no, if_no) = self.path(depth - 1, beside);
        let text = format!("{split}:xor > ([c{condition}] {yes} | [else] {no}) > {merge}:xor");
        let mut counts = if holds { if_yes } else { if_no };
        counts.insert(split, 1);
        (text, counts)
    }

    fn fork(&mut self, depth: u32, beside: &mut Beside) -> (String, Counts) {
        let (fork, join) = (self.id("f"), self.id("j"));
        let mut counts = Counts::from([(fork.clone(), 1), (join.clone(), 1)]);
        let mut branches = Vec::new();
        for _ in 0..2 + self.dice.below(2) {
            let (text, more) = self.path(depth - 1, beside);
            branches.push(text);
            add(&mut counts, &more, 1);
        }
        let text = format!("{fork}:and > ({}) > {join}:and", branches.join(" | "));
        (text, counts)
    }

    fn sub_process(&mut self, depth: u32, beside: &mut Beside) -> (String, Counts) {
        let id = self.id("s");
        let (marker, times) = if self.dice.chance(40) {
            self.marker(&id)
        } else {
            (String::new(), 1)
        };
        let (inside, more) = self.scope(depth - 1);
        let args = if marker.is_empty() {
            String::new()
        } else {
            format!("({marker})")
        };
        let text = format!("{id}:{args}{{ {inside} }}");
        let mut counts = Counts::from([(id.clone(), times)]);
        add(&mut counts, &more, times);
        (self.watched(text, &id, beside), counts)
    }

    /// A sub-process that ends with an error, caught at its boundary.
    fn failing_sub_process(&mut self, depth: u32, beside: &mut Beside) -> (String, Counts) {
        let (id, boundary, merge) = (self.id("s"), self.id("b"), self.id("m"));
        let mut inner = Beside::new();
        let (path, mut counts) = self.path(depth - 1, &mut inner);
        let fail = self.id("e");
        let mut inside = format!("start > {path} > {fail}:end(error=E{id})");
        for path in inner {
            inside.push_str("; ");
            inside.push_str(&path);
        }
        let (handler, more) = self.path(0, beside);
        add(&mut counts, &more, 1);
        counts.insert(boundary.clone(), 1);
        let code = if self.dice.chance(50) {
            format!("error(E{id})")
        } else {
            "error".to_owned()
        };
        beside.push(format!("{id}@{boundary}:{code} > {handler} > {merge}"));
        (format!("{id}:{{ {inside} }} > {merge}:xor"), counts)
    }

    /// A loop that turns twice, counted in a variable of its own scope.
    fn turns(&mut self, depth: u32, _: &mut Beside) -> (String, Counts) {
        let (id, merge, split) = (self.id("s"), self.id("l"), self.id("l"));
        let (count, n) = (self.id("t"), format!("n_{id}"));
        let mut inner = Beside::new();
        let (path, more) = self.path(depth - 1, &mut inner);
        let mut inside = format!(
            "start > {merge}:xor > {path} > {count}:script({n} + 1 -> {n}) > {split}:xor > ([{n} < 2] {merge} | [else] end)"
        );
        for path in inner {
            inside.push_str("; ");
            inside.push_str(&path);
        }
        let mut counts = Counts::from([(id.clone(), 1), (merge, 2), (split, 2), (count, 2)]);
        add(&mut counts, &more, 2);
        (format!("{id}:(in {n} = 0){{ {inside} }}"), counts)
    }

    /// A sub-process in which one of two branches ends all.
    fn terminated(&mut self, depth: u32, beside: &mut Beside) -> (String, Counts) {
        let (id, fork, end) = (self.id("s"), self.id("f"), self.id("e"));
        let mut inner = Beside::new();
        let (left, _) = self.path(depth - 1, &mut inner);
        let (right, _) = self.path(depth - 1, &mut inner);
        self.is_certain = false;
        let mut inside =
            format!("start > {fork}:and > ({left} > end | {right} > {end}:end(terminate))");
        for path in inner {
            inside.push_str("; ");
            inside.push_str(&path);
        }
        let text = format!("{id}:{{ {inside} }}");
        (self.watched(text, &id, beside), Counts::new())
    }
}

fn add(counts: &mut Counts, more: &Counts, times: u32) {
    for (id, n) in more {
        *counts.entry(id.clone()).or_default() += n * times;
    }
}
