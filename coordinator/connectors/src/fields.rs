//! Fields: values as an author writes them. A text that begins with `=` is an expression, any other is literal.

use serde_json::Value;

use crate::Object;
use crate::definition::Settings;
use crate::expression::Expression;
use crate::mask::Mask;
use crate::problem::Problems;
use crate::secrets::Secrets;
use crate::text::Text;

const DEPTH_MAX: usize = 32;

/// One value, compiled.
#[derive(Debug, Clone)]
pub(crate) enum Field {
    Text(Text),
    Feel(Expression),
    Constant(Value),
    List(Vec<Field>),
    Table(Vec<(String, Field)>),
}

impl Field {
    pub(crate) fn parse(
        key: &str,
        value: Value,
        settings: &Settings,
        problems: &mut Problems,
    ) -> Option<Self> {
        Self::parse_at(key, value, settings, problems, 0)
    }

    fn parse_at(
        key: &str,
        value: Value,
        settings: &Settings,
        problems: &mut Problems,
        depth: usize,
    ) -> Option<Self> {
        if depth > DEPTH_MAX {
            problems.add(
                key,
                format!("nested deeper than {DEPTH_MAX}"),
                "build the value by one expression",
            );
            return None;
        }
        match value {
            Value::String(source) => {
                match source.strip_prefix('=') {
                    Some(expression) => match Expression::parse(expression) {
                        Ok(expression) => Some(Self::Feel(expression)),
                        Err(error) => {
                            problems.add(
                                key,
                                error,
                                "correct the expression; a literal text does not begin with =",
                            );
                            None
                        }
                    },
                    None => match Text::parse(&source, settings) {
                        Ok(text) => Some(Self::Text(text)),
                        Err(error) => {
                            problems.add(key, error, "write {{secrets.NAME}} or {{settings.NAME}} with a name that is given");
                            None
                        }
                    },
                }
            }
            Value::Array(items) => {
                let mut fields = Vec::with_capacity(items.len());
                for (index, item) in items.into_iter().enumerate() {
                    let key = format!("{key}[{index}]");
                    fields.push(Self::parse_at(&key, item, settings, problems, depth + 1));
                }
                fields.into_iter().collect::<Option<_>>().map(Self::List)
            }
            Value::Object(entries) => {
                let mut fields = Vec::with_capacity(entries.len());
                for (name, entry) in entries {
                    let key = format!("{key}.{name}");
                    let field = Self::parse_at(&key, entry, settings, problems, depth + 1);
                    fields.push(field.map(|field| (name, field)));
                }
                fields.into_iter().collect::<Option<_>>().map(Self::Table)
            }
            constant @ (Value::Null | Value::Bool(_) | Value::Number(_)) => {
                Some(Self::Constant(constant))
            }
        }
    }

    pub(crate) fn secret_names<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Text(text) => names.extend(text.secret_names()),
            Self::Feel(_) | Self::Constant(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.secret_names(names)),
            Self::Table(fields) => fields
                .iter()
                .for_each(|(_, field)| field.secret_names(names)),
        }
    }

    /// Fills in names and secrets. What comes from an expression is never searched for secrets: it may hold anybody's text.
    pub(crate) fn value(
        &self,
        names: &Object,
        secrets: &Secrets,
        mask: &mut Mask,
    ) -> Result<Value, String> {
        match self {
            Self::Text(text) => text.fill(secrets, mask).map(Value::String),
            Self::Feel(expression) => expression.evaluate(names),
            Self::Constant(value) => Ok(value.clone()),
            Self::List(items) => items
                .iter()
                .map(|item| item.value(names, secrets, mask))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            Self::Table(fields) => fields
                .iter()
                .map(|(name, field)| Ok((name.clone(), field.value(names, secrets, mask)?)))
                .collect::<Result<_, String>>()
                .map(Value::Object),
        }
    }
}
