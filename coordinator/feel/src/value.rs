//! Value: what an expression works on and gives; cheap to clone, bounded in depth.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::civil;
use smol_str::SmolStr;

use crate::eval::Closure;
use crate::number::Number;
use crate::temporal::{DateTime, Months, Time};
use crate::{Scope, text};

/// A FEEL value.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing, or what could not be computed.
    Null,
    /// True or false.
    Bool(bool),
    /// A decimal number.
    Number(Number),
    /// Text.
    String(SmolStr),
    /// A day of the calendar.
    Date(civil::Date),
    /// A time of day.
    Time(Time),
    /// A day with a time of day.
    DateTime(DateTime),
    /// Days, hours, minutes, seconds.
    DayTimeDuration(SignedDuration),
    /// Years and months.
    YearMonthDuration(Months),
    /// Values in order.
    List(Arc<List>),
    /// Values by name, in the order they were written.
    Context(Arc<Context>),
    /// All between two ends.
    Range(Arc<Range>),
    /// What can be called.
    Function(Arc<Closure>),
}

/// Values in order, how deep they are nested, and how much text they would make.
#[derive(Clone, Debug, Default)]
pub struct List {
    items: Vec<Value>,
    depth: u16,
    weight: usize,
}

/// Values by name, how deep they are nested, and how much text they would make.
#[derive(Clone, Debug, Default)]
pub struct Context {
    entries: Vec<(SmolStr, Value)>,
    // Positions in the order of their names, kept for contexts that are too long to search from the front.
    index: Vec<u32>,
    depth: u16,
    weight: usize,
}

/// All between two ends; an absent end is without a bound.
#[derive(Clone, Debug)]
pub struct Range {
    /// Where it begins.
    pub start: Value,
    /// Says whether the beginning belongs to it.
    pub start_included: bool,
    /// Where it ends.
    pub end: Value,
    /// Says whether the end belongs to it.
    pub end_included: bool,
}

const INDEX_FROM: usize = 12;

impl List {
    /// Makes a list.
    pub fn new(items: Vec<Value>) -> List {
        let depth = items
            .iter()
            .map(Value::depth)
            .max()
            .unwrap_or(0)
            .saturating_add(1);
        let weight = items.iter().fold(2usize, |sum, item| {
            sum.saturating_add(item.weight()).saturating_add(1)
        });
        List {
            items,
            depth,
            weight,
        }
    }

    pub(crate) fn push(&mut self, value: Value) {
        self.depth = self.depth.max(value.depth().saturating_add(1)).max(1);
        self.weight = self.weight.saturating_add(value.weight()).saturating_add(1);
        self.items.push(value);
    }

    /// The values.
    pub fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Context {
    /// Makes a context; of two entries with one name the later value stays, at the place of the first.
    pub fn new(entries: impl IntoIterator<Item = (SmolStr, Value)>) -> Context {
        let mut entries: Vec<(SmolStr, Value)> = entries.into_iter().collect();
        let mut context = Context {
            depth: 1,
            weight: 2,
            ..Context::default()
        };
        if entries.len() <= INDEX_FROM {
            for (name, value) in entries {
                context.put(name, value);
            }
            return context;
        }
        // Sorted once: a large object must not cost the square of its size.
        let mut order: Vec<u32> = (0..entries.len() as u32).collect();
        order.sort_by(|a, b| entries[*a as usize].0.cmp(&entries[*b as usize].0));
        let mut dropped = vec![false; entries.len()];
        // The sort is stable, so a name's first place begins its run.
        let mut first = 0;
        for at in 1..order.len() {
            let (here, head) = (order[at] as usize, order[first] as usize);
            if entries[here].0 == entries[head].0 {
                entries[head].1 = std::mem::replace(&mut entries[here].1, Value::Null);
                dropped[here] = true;
            } else {
                first = at;
            }
        }
        let mut kept = Vec::with_capacity(entries.len());
        for ((name, value), dropped) in entries.into_iter().zip(dropped) {
            if !dropped {
                context.grow(&name, &value);
                kept.push((name, value));
            }
        }
        context.entries = kept;
        context.sort_index();
        context
    }

    /// Sets an entry.
    pub fn put(&mut self, name: SmolStr, value: Value) {
        self.grow(&name, &value);
        match self.find(&name) {
            Ok(at) => self.entries[at].1 = value,
            Err(place) => {
                self.entries.push((name, value));
                if let Some(place) = place {
                    self.index.insert(place, self.entries.len() as u32 - 1);
                } else {
                    self.sort_index();
                }
            }
        }
    }

    fn grow(&mut self, name: &str, value: &Value) {
        self.depth = self.depth.max(value.depth().saturating_add(1)).max(1);
        self.weight = self
            .weight
            .saturating_add(value.weight())
            .saturating_add(name.len() + 4);
    }

    fn sort_index(&mut self) {
        if self.entries.len() > INDEX_FROM {
            let mut index: Vec<u32> = (0..self.entries.len() as u32).collect();
            index.sort_by(|a, b| {
                self.entries[*a as usize]
                    .0
                    .cmp(&self.entries[*b as usize].0)
            });
            self.index = index;
        }
    }

    fn find(&self, name: &str) -> Result<usize, Option<usize>> {
        if self.index.is_empty() {
            return self
                .entries
                .iter()
                .position(|(key, _)| key == name)
                .ok_or(None);
        }
        match self
            .index
            .binary_search_by(|at| self.entries[*at as usize].0.as_str().cmp(name))
        {
            Ok(place) => Ok(self.index[place] as usize),
            Err(place) => Err(Some(place)),
        }
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.find(name).ok().map(|at| &self.entries[at].1)
    }

    /// The entries in the order they were written.
    pub fn entries(&self) -> &[(SmolStr, Value)] {
        &self.entries
    }
}

impl Range {
    pub(crate) fn depth(&self) -> u16 {
        self.start.depth().max(self.end.depth()).saturating_add(1)
    }
}

impl Value {
    /// Makes a string.
    pub fn string(text: impl Into<SmolStr>) -> Value {
        Value::String(text.into())
    }

    /// Makes a list.
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(List::new(items)))
    }

    /// Makes a context.
    pub fn context(entries: impl IntoIterator<Item = (SmolStr, Value)>) -> Value {
        Value::Context(Arc::new(Context::new(entries)))
    }

    /// How deep lists and contexts are nested in it; a plain value has none.
    pub fn depth(&self) -> u16 {
        match self {
            Value::List(list) => list.depth,
            Value::Context(context) => context.depth,
            Value::Range(range) => range.depth(),
            Value::Function(function) => function.depth(),
            _ => 0,
        }
    }

    /// About how many bytes of text it would make; values that are shared inside of it count each time.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Value::String(text) => text.len() + 2,
            Value::List(list) => list.weight,
            Value::Context(context) => context.weight,
            Value::Range(range) => range.start.weight().saturating_add(range.end.weight()),
            _ => 16,
        }
    }

    /// The name of its type, as `instance of` has it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Date(_) => "date",
            Value::Time(_) => "time",
            Value::DateTime(_) => "date and time",
            Value::DayTimeDuration(_) => "days and time duration",
            Value::YearMonthDuration(_) => "years and months duration",
            Value::List(_) => "list",
            Value::Context(_) => "context",
            Value::Range(_) => "range",
            Value::Function(_) => "function",
        }
    }

    /// Says whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// True or false, if it is a boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(bool) => Some(*bool),
            _ => None,
        }
    }

    /// The text, if it is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The number, if it is a whole one that fits a machine word.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()
            .filter(|number| number.is_whole())?
            .to_i64()
    }

    /// The values, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(list) => Some(list.items()),
            _ => None,
        }
    }

    /// The context, if it is one.
    pub fn as_context(&self) -> Option<&Context> {
        match self {
            Value::Context(context) => Some(context),
            _ => None,
        }
    }

    /// The value of a context's entry.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.as_context()?.get(name)
    }

    /// Reads JSON; numbers keep all their digits up to 34.
    pub fn from_json(text: &str) -> Result<Value, crate::JsonError> {
        crate::json::read(text)
    }

    /// Writes JSON; dates, times and durations become their ISO text.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// Appends JSON; dates, times and durations become their ISO text.
    pub fn write_json(&self, out: &mut String) {
        crate::json::write(self, out);
    }
}

/// Two values are equal when they have one type and the same content; nothing is equal to a value of another type.
impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Number(a), Value::Number(b)) => a == b,
            (Value::String(a), Value::String(b)) => a == b,
            (Value::List(a), Value::List(b)) => Arc::ptr_eq(a, b) || a.items == b.items,
            (Value::Context(a), Value::Context(b)) => {
                Arc::ptr_eq(a, b)
                    || (a.entries.len() == b.entries.len()
                        && a.entries
                            .iter()
                            .all(|(name, value)| b.get(name).is_some_and(|other| value == other)))
            }
            (Value::Range(a), Value::Range(b)) => {
                (a.start_included, a.end_included) == (b.start_included, b.end_included)
                    && a.start == b.start
                    && a.end == b.end
            }
            (Value::Function(a), Value::Function(b)) => Arc::ptr_eq(a, b),
            _ => crate::eval::compare::order(self, other) == Some(std::cmp::Ordering::Equal),
        }
    }
}

/// Its text, as the function `string` gives it.
impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        text::write(self, f)
    }
}

impl From<Context> for Value {
    fn from(value: Context) -> Value {
        Value::Context(Arc::new(value))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Value {
        Value::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Number(Number::Int(value))
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Value {
        Value::Number(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(value.into())
    }
}

impl Scope for BTreeMap<SmolStr, Value> {
    fn get(&self, name: &str) -> Option<Value> {
        BTreeMap::get(self, name).cloned()
    }
}

impl Scope for BTreeMap<String, Value> {
    fn get(&self, name: &str) -> Option<Value> {
        BTreeMap::get(self, name).cloned()
    }
}

impl Scope for Context {
    fn get(&self, name: &str) -> Option<Value> {
        Context::get(self, name).cloned()
    }
}

/// A context's entries are its variables; any other value has none.
impl Scope for Value {
    fn get(&self, name: &str) -> Option<Value> {
        Value::get(self, name).cloned()
    }
}
