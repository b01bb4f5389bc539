//! Searches: Camunda 8's filters, orders and pages, as JSON, turned into searches of the store.

use super::fields::{Fields, excerpt, parse_key};
use super::problem::Problem;
use botswain_store::reader::{
    Entity, Filter, LIMIT_DEFAULT, LIMIT_MAX, Op, Order, Page, PageFrom, Search, Value,
};
use serde_json::{Value as Json, json};

/// A field that searches may name.
pub(crate) struct Known<F: 'static> {
    pub(crate) name: &'static str,
    pub(crate) field: F,
    pub(crate) kind: Kind,
}

/// What a field's values are.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    /// A key: text or number.
    Key,
    /// A whole number.
    Integer,
    /// Text.
    Text,
    /// A point in time, ISO 8601.
    Time,
    /// One of some words, stored as a number; case does not matter.
    Word(fn(&str) -> Option<i64>),
    /// Yes or no, stored as how many there are.
    Any,
    /// Yes or no, stored as whether something is there.
    There,
    /// Yes or no, stored as 1 or 0.
    Flag,
    /// A list of texts, stored as a JSON array: the filter names one of them.
    Member,
}

/// Reads a search; `known` are the fields that it may name.
pub(crate) fn read<E: Entity>(
    body: &Fields<'_>,
    known: &'static [Known<E::Field>],
) -> Result<Search<E>, Problem> {
    let mut search = Search::default();
    if let Some(filter) = body.object("filter")? {
        for name in filter.names() {
            if filter.json(name).is_none() {
                continue;
            }
            if name == "tenantId" {
                filter.tenant()?;
                continue;
            }
            conditions(
                &filter,
                name,
                find(&filter, name, known)?,
                &mut search.filters,
            )?;
        }
    }
    for order in body.objects("sort")? {
        let name = order.needed_text("field")?;
        let field = find(&order, &name, known)?.field;
        let direction = order
            .text("order")?
            .unwrap_or_default()
            .to_ascii_uppercase();
        let direction = match direction.as_str() {
            "" | "ASC" => Order::Ascending,
            "DESC" => Order::Descending,
            _ => {
                return Err(Problem::wrong(format!(
                    "field '{}': expected ASC or DESC",
                    order.place("order")
                )));
            }
        };
        search.sort.push((field, direction));
    }
    if let Some(page) = body.object("page")? {
        let limit = page.integer("limit", 1, LIMIT_MAX as i64)?;
        search.limit = limit.map_or(LIMIT_DEFAULT, |limit| {
            usize::try_from(limit).unwrap_or(LIMIT_DEFAULT)
        });
        let from = page.integer("from", 0, i64::from(u32::MAX))?;
        let (after, before) = (page.text("after")?, page.text("before")?);
        search.from = match (from, after, before) {
            (None, None, None) => PageFrom::Start,
            (Some(from), None, None) => PageFrom::Offset(usize::try_from(from).unwrap_or_default()),
            (None, Some(after), None) => PageFrom::After(after.to_string()),
            (None, None, Some(before)) => PageFrom::Before(before.to_string()),
            _ => {
                return Err(Problem::wrong(
                    "field 'page': expected one of from, after and before, found several",
                ));
            }
        };
    }
    Ok(search)
}

/// Ignoring a condition would answer with more than was asked for, and what is found may be cancelled next.
fn find<F>(
    fields: &Fields<'_>,
    name: &str,
    known: &'static [Known<F>],
) -> Result<&'static Known<F>, Problem> {
    known
        .iter()
        .find(|known| known.name == name)
        .ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|known| known.name).collect();
            Problem::wrong(format!(
                "field '{}': this search knows {}",
                fields.place(&excerpt(name)),
                names.join(", ")
            ))
        })
}

fn conditions<F: Copy>(
    filter: &Fields<'_>,
    name: &str,
    known: &Known<F>,
    into: &mut Vec<Filter<F>>,
) -> Result<(), Problem> {
    let field = known.field;
    let json = filter.json(name).unwrap_or_default();
    if !json.starts_with('{') {
        let op = equal(known.kind, json).ok_or_else(|| wrong(filter, name, known.kind, json))?;
        into.push(Filter { field, op });
        return Ok(());
    }
    let Some(operators) = filter.object(name)? else {
        return Ok(());
    };
    for operator in operators.names() {
        let Some(json) = operators.json(operator) else {
            continue;
        };
        let bad = || wrong(&operators, operator, known.kind, json);
        let one = || value(known.kind, json).ok_or_else(bad);
        let op = match operator.as_str() {
            "$eq" => equal(known.kind, json).ok_or_else(bad)?,
            "$neq" => Op::NotEq(one()?),
            "$exists" => Op::Exists(operators.flag(operator)?.unwrap_or_default()),
            "$in" | "$notIn" => {
                let list: Vec<&serde_json::value::RawValue> =
                    serde_json::from_str(json).map_err(|_| bad())?;
                let list = list
                    .iter()
                    .map(|raw| value(known.kind, raw.get()).ok_or_else(bad))
                    .collect::<Result<Vec<Value>, Problem>>()?;
                if operator == "$in" {
                    Op::In(list)
                } else {
                    Op::NotIn(list)
                }
            }
            "$like" if matches!(known.kind, Kind::Text) => {
                Op::Like(operators.text(operator)?.unwrap_or_default().to_string())
            }
            "$gt" => Op::Gt(one()?),
            "$gte" => Op::Gte(one()?),
            "$lt" => Op::Lt(one()?),
            "$lte" => Op::Lte(one()?),
            _ => {
                return Err(Problem::wrong(format!(
                    "field '{}': expected $eq, $neq, $exists, $in, $notIn, $gt, $gte, $lt, $lte, or $like for text",
                    operators.place(&excerpt(operator))
                )));
            }
        };
        into.push(Filter { field, op });
    }
    Ok(())
}

fn equal(kind: Kind, json: &str) -> Option<Op> {
    match kind {
        Kind::Any => {
            let any: bool = serde_json::from_str(json).ok()?;
            Some(if any {
                Op::Gt(Value::Integer(0))
            } else {
                Op::Eq(Value::Integer(0))
            })
        }
        Kind::There => Some(Op::Exists(serde_json::from_str(json).ok()?)),
        Kind::Member => {
            let text: String = serde_json::from_str(json).ok()?;
            let quoted = serde_json::to_string(&text).ok()?;
            let mut pattern = String::from("*");
            for character in quoted.chars() {
                if matches!(character, '*' | '?' | '\\') {
                    pattern.push('\\');
                }
                pattern.push(character);
            }
            pattern.push('*');
            Some(Op::Like(pattern))
        }
        _ => value(kind, json).map(Op::Eq),
    }
}

fn value(kind: Kind, json: &str) -> Option<Value> {
    let text = || serde_json::from_str::<String>(json).ok();
    Some(match kind {
        Kind::Key => Value::Integer(parse_key(json.trim_matches('"'))?.as_i64()),
        Kind::Integer => Value::Integer(serde_json::from_str(json).ok()?),
        Kind::Text => Value::Text(text()?),
        Kind::Time => Value::Integer(text()?.parse::<jiff::Timestamp>().ok()?.as_millisecond()),
        Kind::Word(code) => Value::Integer(code(&text()?.to_ascii_uppercase())?),
        Kind::Flag => Value::Integer(serde_json::from_str::<bool>(json).ok()?.into()),
        Kind::Any | Kind::There | Kind::Member => return None,
    })
}

fn wrong(fields: &Fields<'_>, name: &str, kind: Kind, found: &str) -> Problem {
    let expected = match kind {
        Kind::Key => "a key such as \"2251799813685249\"",
        Kind::Integer => "a whole number",
        Kind::Text | Kind::Member => "text",
        Kind::Time => "a point in time such as \"2026-01-31T12:00:00Z\"",
        Kind::Word(_) => "one of the words of this field",
        Kind::Any | Kind::There | Kind::Flag => "true or false",
    };
    Problem::wrong(format!(
        "field '{}': expected {expected}, found {}",
        fields.place(name),
        excerpt(found)
    ))
}

/// Writes a page.
pub(crate) fn page<T>(page: Page<T>, item: impl FnMut(T) -> Json) -> Json {
    let items: Vec<Json> = page.items.into_iter().map(item).collect();
    json!({
        "items": items,
        "page": {
            "totalItems": page.total,
            "hasMoreTotalItems": page.total_is_capped,
            "startCursor": page.start,
            "endCursor": page.end,
        },
    })
}

/// Writes a point in time.
pub(crate) fn time(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map_or_else(
        |_| millis.to_string(),
        |at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
    )
}
