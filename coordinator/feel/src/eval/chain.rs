//! Chains: paths into contexts, lists and temporal values, filters, and calls of a context's functions.

use super::{Bind, Evaluated, Frame, Machine};
use crate::WarningKind;
use crate::functions::temporal::property;
use crate::program::{Filter, Id, Node, Step};
use crate::text::brief;
use crate::value::Value;

fn pick(items: &[Value], index: i64) -> Value {
    let at = if index > 0 {
        index.checked_sub(1)
    } else {
        i64::try_from(items.len())
            .ok()
            .and_then(|len| len.checked_add(index))
    };
    let at = at.and_then(|at| usize::try_from(at).ok());
    // 0 counts from the end like a negative index does, and so is out of range.
    at.and_then(|at| items.get(at))
        .cloned()
        .unwrap_or(Value::Null)
}

impl Machine<'_> {
    #[inline(never)]
    pub(super) fn chain(&mut self, frame: &mut Frame<'_>, base: Id, steps: &[Step]) -> Evaluated {
        let mut value = self.eval(frame, base)?;
        for step in steps {
            self.charge(1)?;
            value = match step {
                Step::Key(key) => self.path(&value, key)?,
                Step::Index(index) => match self.items(&value) {
                    Some(items) => pick(items, *index),
                    None => self.no_list(&value),
                },
                Step::Filter(filter, id) => self.filter(frame, &value, *filter, *id)?,
                Step::Call(name, arguments) => self.invoke_entry(frame, &value, name, arguments)?,
            };
        }
        Ok(value)
    }

    fn items<'v>(&self, value: &'v Value) -> Option<&'v [Value]> {
        value.as_list()
    }

    pub(super) fn no_list(&mut self, value: &Value) -> Value {
        self.null(WarningKind::InvalidType, || {
            format!("Expected list but found '{}'", brief(value))
        })
    }

    pub(super) fn path(&mut self, value: &Value, key: &str) -> Evaluated {
        match value {
            Value::Context(context) => {
                if let Some(value) = context.get(key) {
                    return Ok(value.clone());
                }
                Ok(self.null(WarningKind::NoContextEntryFound, || {
                    let keys: Vec<String> = context
                        .entries()
                        .iter()
                        .take(10)
                        .map(|(key, _)| format!("'{key}'"))
                        .collect();
                    let available = if keys.is_empty() {
                        "The context is empty".to_owned()
                    } else {
                        format!("Available keys: {}", keys.join(", "))
                    };
                    format!("No context entry found with key '{key}'. {available}")
                }))
            }
            Value::List(list) => {
                let mut values = Vec::with_capacity(list.items().len());
                self.charge(list.items().len())?;
                self.enter()?;
                for item in list.items() {
                    values.push(self.path(item, key)?);
                }
                self.leave();
                self.list(values)
            }
            Value::Null => Ok(self.null(WarningKind::NoContextEntryFound, || {
                format!("No context entry found with key '{key}'. The context is null")
            })),
            value => match property(value, key) {
                Some(value) => Ok(value),
                None => Ok(self.null(WarningKind::NoPropertyFound, || {
                    format!(
                        "No property found with name '{key}' of value '{}' of type {}",
                        brief(value),
                        value.type_name()
                    )
                })),
            },
        }
    }

    #[inline(never)]
    fn filter(
        &mut self,
        frame: &mut Frame<'_>,
        value: &Value,
        filter: Filter,
        id: Id,
    ) -> Evaluated {
        let Value::List(list) = value else {
            return Ok(self.no_list(value));
        };
        let items = list.items();
        if filter == Filter::IndexOrEach && self.may_index(frame, id) {
            self.muted += 1;
            let outside = self.eval(frame, id);
            self.muted -= 1;
            if let Value::Number(index) = outside? {
                return Ok(index
                    .to_i64()
                    .map_or(Value::Null, |index| pick(items, index)));
            }
        }
        let mut kept = Vec::new();
        for (at, item) in items.iter().enumerate() {
            frame.binds.push(Bind::Item(item.clone()));
            let answer = self.eval(frame, id);
            frame.binds.pop();
            match answer? {
                Value::Bool(true) => kept.push(item.clone()),
                Value::Number(index) if at == 0 => {
                    return Ok(index
                        .to_i64()
                        .map_or(Value::Null, |index| pick(items, index)));
                }
                _ => {}
            }
        }
        self.list(kept)
    }

    // A conjunction gives no number, so it need not be asked outside of the items.
    fn may_index(&self, frame: &Frame<'_>, id: Id) -> bool {
        !matches!(
            frame.program.nodes.get(id as usize),
            Some(
                Node::And(_)
                    | Node::Or(_)
                    | Node::Between(..)
                    | Node::Quantified(..)
                    | Node::Const(_)
            )
        )
    }
}
