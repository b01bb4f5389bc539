//! Search: conditions, order and pages, the same for everything that can be searched.

use crate::store::StoreError;
use rusqlite::types::{ToSqlOutput, Value as SqlValue, ValueRef};
use rusqlite::{Connection, Row, ToSql, params_from_iter};
use std::fmt::{Debug, Write as _};

/// How many items a page has when nobody says so.
pub const LIMIT_DEFAULT: usize = 100;

/// How many items a page may have.
pub const LIMIT_MAX: usize = 10_000;

/// Totals are counted up to here; more is told as "at least".
pub const TOTAL_MAX: usize = 10_000;

/// How many conditions a search may have, and how many values one `In` may list.
const CONDITIONS_MAX: usize = 100;
const LISTED_MAX: usize = 1_000;

/// A kind of thing that can be searched.
pub trait Entity {
    /// What conditions and orders can name.
    type Field: Copy + Debug;
    /// What is found.
    type Item;
    /// `FROM …`, with the joins that columns need.
    const FROM: &'static str;
    /// What is selected before the columns of the order.
    const COLUMNS: &'static str;
    /// The last columns of every order: they name one row.
    const UNIQUE: &'static [&'static str];
    /// How many columns `COLUMNS` are.
    const WIDTH: usize;

    /// The column, or the expression, behind a field.
    fn column(field: Self::Field) -> &'static str;

    /// Reads what `COLUMNS` selected.
    ///
    /// # Errors
    /// A column does not hold what it should.
    fn read(row: &Row<'_>) -> rusqlite::Result<Self::Item>;
}

/// What a condition compares with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A key, a code or a time.
    Integer(i64),
    /// Text.
    Text(String),
    /// A digest or a UUID.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Integer(value)
    }
}

impl From<botswain_engine::Key> for Value {
    fn from(key: botswain_engine::Key) -> Value {
        Value::Integer(key.as_i64())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Integer(value) => ToSqlOutput::Owned(SqlValue::Integer(*value)),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
        })
    }
}

/// How a field is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// It is that.
    Eq(Value),
    /// It is something else, or nothing.
    NotEq(Value),
    /// It is one of those.
    In(Vec<Value>),
    /// It is none of those.
    NotIn(Vec<Value>),
    /// Its text matches: `*` stands for any text, `?` for one character, `\` takes the next one as it is.
    Like(String),
    /// It is there, or it is not.
    Exists(bool),
    /// It is greater.
    Gt(Value),
    /// It is greater or that.
    Gte(Value),
    /// It is less.
    Lt(Value),
    /// It is less or that.
    Lte(Value),
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter<F> {
    /// What is compared.
    pub field: F,
    /// How.
    pub op: Op,
}

/// Which way an order runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The smallest first.
    Ascending,
    /// The greatest first.
    Descending,
}

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PageFrom {
    /// At the first item.
    #[default]
    Start,
    /// After so many items.
    Offset(usize),
    /// Behind the item of that cursor.
    After(String),
    /// Before the item of that cursor.
    Before(String),
}

/// A search.
#[derive(Clone, Debug)]
pub struct Search<E: Entity> {
    /// All must hold.
    pub filters: Vec<Filter<E::Field>>,
    /// The first counts most; the key decides at last.
    pub sort: Vec<(E::Field, Order)>,
    /// Where the page begins.
    pub from: PageFrom,
    /// How many items it has at most.
    pub limit: usize,
}

impl<E: Entity> Default for Search<E> {
    fn default() -> Self {
        Search {
            filters: Vec::new(),
            sort: Vec::new(),
            from: PageFrom::Start,
            limit: LIMIT_DEFAULT,
        }
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// How many there are in all, up to [`TOTAL_MAX`].
    pub total: usize,
    /// Whether there are more than `total`.
    pub total_is_capped: bool,
    /// The cursor of the first item.
    pub start: Option<String>,
    /// The cursor of the last item.
    pub end: Option<String>,
}

/// Why a search was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The page is too large.
    #[error("the page's limit is {0}: expected at most {LIMIT_MAX}")]
    Limit(usize),
    /// There are too many conditions, or an `In` lists too much.
    #[error(
        "the search has {0} conditions or values in one: expected at most {CONDITIONS_MAX} conditions and {LISTED_MAX} values in one"
    )]
    TooMany(usize),
    /// The cursor was not made by this search.
    #[error(
        "the cursor '{0}' does not belong to a search with this order: take `startCursor` or `endCursor` of its last answer"
    )]
    Cursor(String),
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for SearchError {
    fn from(error: rusqlite::Error) -> SearchError {
        SearchError::Store(error.into())
    }
}

/// One place in an order: the values of its columns.
type Cursor = Vec<SqlValue>;

impl<E: Entity> Search<E> {
    /// Adds a condition.
    #[must_use]
    pub fn filter(mut self, field: E::Field, op: Op) -> Search<E> {
        self.filters.push(Filter { field, op });
        self
    }

    /// Adds an order.
    #[must_use]
    pub fn sort(mut self, field: E::Field, order: Order) -> Search<E> {
        self.sort.push((field, order));
        self
    }

    pub(super) fn run(&self, conn: &Connection) -> Result<Page<E::Item>, SearchError> {
        if self.limit > LIMIT_MAX {
            return Err(SearchError::Limit(self.limit));
        }
        if self.filters.len() > CONDITIONS_MAX || self.sort.len() > CONDITIONS_MAX {
            return Err(SearchError::TooMany(
                self.filters.len().max(self.sort.len()),
            ));
        }
        let mut values: Vec<SqlValue> = Vec::new();
        let conditions = self.conditions(&mut values)?;
        // Total and page are of one moment.
        let moment = conn.unchecked_transaction()?;
        let (total, total_is_capped) = count::<E>(&moment, &conditions, &values)?;
        let backwards = matches!(self.from, PageFrom::Before(_));
        let columns = self.order_columns(backwards);
        let place = self.place(&columns, &mut values)?;
        let mut sql = format!("SELECT {}", E::COLUMNS);
        for (column, _) in &columns {
            let _infallible = write!(sql, ", {column}");
        }
        let _infallible = write!(
            sql,
            " FROM {} WHERE {conditions} AND {place} ORDER BY ",
            E::FROM
        );
        for (at, (column, order)) in columns.iter().enumerate() {
            let direction = if *order == Order::Ascending {
                "ASC"
            } else {
                "DESC"
            };
            let _infallible = write!(
                sql,
                "{}{column} {direction}",
                if at > 0 { ", " } else { "" }
            );
        }
        let _infallible = write!(sql, " LIMIT {}", self.limit);
        if let PageFrom::Offset(offset) = self.from {
            let _infallible = write!(sql, " OFFSET {}", offset.min(i64::MAX as usize));
        }
        let mut statement = moment.prepare_cached(&sql)?;
        let mut found = statement.query_map(params_from_iter(&values), |row| {
            let cursor: Cursor = (0..columns.len())
                .map(|at| row.get(E::WIDTH + at))
                .collect::<rusqlite::Result<_>>()?;
            Ok((E::read(row)?, cursor))
        })?;
        let mut found: Vec<_> = found.by_ref().collect::<rusqlite::Result<_>>()?;
        if backwards {
            found.reverse();
        }
        let start = found.first().map(|(_, cursor)| write_cursor(cursor));
        let end = found.last().map(|(_, cursor)| write_cursor(cursor));
        let items = found.into_iter().map(|(item, _)| item).collect();
        Ok(Page {
            items,
            total,
            total_is_capped,
            start,
            end,
        })
    }

    fn conditions(&self, values: &mut Vec<SqlValue>) -> Result<String, SearchError> {
        let mut sql = String::from("1 = 1");
        for Filter { field, op } in &self.filters {
            let column = E::column(*field);
            let mut compare = |sql: &mut String, operator: &str, value: &Value| {
                values.push(owned(value));
                let _infallible = write!(sql, " AND {column} {operator} ?{}", values.len());
            };
            match op {
                Op::Eq(value) => compare(&mut sql, "=", value),
                Op::NotEq(value) => compare(&mut sql, "IS NOT", value),
                Op::Gt(value) => compare(&mut sql, ">", value),
                Op::Gte(value) => compare(&mut sql, ">=", value),
                Op::Lt(value) => compare(&mut sql, "<", value),
                Op::Lte(value) => compare(&mut sql, "<=", value),
                Op::Like(pattern) => {
                    compare(&mut sql, "LIKE", &Value::Text(like(pattern)));
                    sql.push_str(" ESCAPE '\\'");
                }
                Op::Exists(true) => drop(write!(sql, " AND {column} IS NOT NULL")),
                Op::Exists(false) => drop(write!(sql, " AND {column} IS NULL")),
                Op::In(list) | Op::NotIn(list) => {
                    if list.len() > LISTED_MAX {
                        return Err(SearchError::TooMany(list.len()));
                    }
                    let not = if matches!(op, Op::NotIn(_)) {
                        "NOT "
                    } else {
                        ""
                    };
                    let _infallible = write!(sql, " AND {column} {not}IN (");
                    for (at, value) in list.iter().enumerate() {
                        values.push(owned(value));
                        let _infallible =
                            write!(sql, "{}?{}", if at > 0 { ", " } else { "" }, values.len());
                    }
                    sql.push(')');
                }
            }
        }
        Ok(sql)
    }

    fn order_columns(&self, backwards: bool) -> Vec<(&'static str, Order)> {
        let named = self
            .sort
            .iter()
            .map(|(field, order)| (E::column(*field), *order));
        let mut columns: Vec<(&'static str, Order)> = Vec::new();
        for (column, order) in
            named.chain(E::UNIQUE.iter().map(|column| (*column, Order::Ascending)))
        {
            if columns.iter().any(|(have, _)| *have == column) {
                continue;
            }
            let order = match (order, backwards) {
                (Order::Ascending, false) | (Order::Descending, true) => Order::Ascending,
                _ => Order::Descending,
            };
            columns.push((column, order));
        }
        columns
    }

    /// The condition for what lies behind a cursor: SQLite sorts what is missing before all else.
    fn place(
        &self,
        columns: &[(&'static str, Order)],
        values: &mut Vec<SqlValue>,
    ) -> Result<String, SearchError> {
        let (PageFrom::After(text) | PageFrom::Before(text)) = &self.from else {
            return Ok("1 = 1".to_owned());
        };
        let refused = || SearchError::Cursor(text.chars().take(100).collect());
        let cursor = read_cursor(text)
            .filter(|cursor| cursor.len() == columns.len())
            .ok_or_else(refused)?;
        let mut sql = String::new();
        for (at, (column, order)) in columns.iter().enumerate() {
            let behind = match (order, &cursor[at]) {
                (Order::Ascending, SqlValue::Null) => format!("{column} IS NOT NULL"),
                (Order::Ascending, _) => format!("{column} > ?{}", values.len() + 1),
                (Order::Descending, SqlValue::Null) => "1 = 0".to_owned(),
                (Order::Descending, _) => {
                    format!("({column} < ?{0} OR {column} IS NULL)", values.len() + 1)
                }
            };
            let same = match &cursor[at] {
                SqlValue::Null => format!("{column} IS NULL"),
                value => {
                    values.push(value.clone());
                    format!("{column} = ?{}", values.len())
                }
            };
            let _infallible = write!(sql, "({behind} OR ({same} AND ");
        }
        sql.push_str("1 = 0");
        sql.push_str(&"))".repeat(columns.len()));
        Ok(sql)
    }
}

fn count<E: Entity>(
    conn: &Connection,
    conditions: &str,
    values: &[SqlValue],
) -> rusqlite::Result<(usize, bool)> {
    let sql = format!(
        "SELECT count(*) FROM (SELECT 1 FROM {} WHERE {conditions} LIMIT {})",
        E::FROM,
        TOTAL_MAX + 1
    );
    let counted: i64 = conn
        .prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| row.get(0))?;
    let counted = usize::try_from(counted).unwrap_or(0);
    Ok((counted.min(TOTAL_MAX), counted > TOTAL_MAX))
}

fn owned(value: &Value) -> SqlValue {
    match value {
        Value::Integer(value) => SqlValue::Integer(*value),
        Value::Text(text) => SqlValue::Text(text.clone()),
        Value::Bytes(bytes) => SqlValue::Blob(bytes.clone()),
    }
}

/// Rewrites a pattern with `*` and `?` for SQL.
fn like(pattern: &str) -> String {
    let mut sql = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        let literal = match character {
            '*' => {
                sql.push('%');
                continue;
            }
            '?' => {
                sql.push('_');
                continue;
            }
            '\\' => characters.next().unwrap_or('\\'),
            other => other,
        };
        if matches!(literal, '%' | '_' | '\\') {
            sql.push('\\');
        }
        sql.push(literal);
    }
    sql
}

/// Cursors travel as hexadecimal JSON: opaque, and safe in a URL.
fn write_cursor(cursor: &Cursor) -> String {
    let parts = cursor.iter().map(|value| match value {
        SqlValue::Null => serde_json::Value::Null,
        SqlValue::Integer(value) => serde_json::json!({ "i": value.to_string() }),
        SqlValue::Real(value) => serde_json::json!({ "i": value.to_string() }),
        SqlValue::Text(text) => serde_json::json!({ "t": text }),
        SqlValue::Blob(bytes) => serde_json::json!({ "b": hex::encode(bytes) }),
    });
    hex::encode(serde_json::Value::from_iter(parts).to_string())
}

fn read_cursor(text: &str) -> Option<Cursor> {
    let parts: Vec<serde_json::Value> = serde_json::from_slice(&hex::decode(text).ok()?).ok()?;
    let value = |part: serde_json::Value| match part {
        serde_json::Value::Null => Some(SqlValue::Null),
        serde_json::Value::Object(part) => {
            let (kind, value) = part.iter().next()?;
            let value = value.as_str()?;
            match kind.as_str() {
                "i" => value.parse().ok().map(SqlValue::Integer),
                "t" => Some(SqlValue::Text(value.to_owned())),
                "b" => hex::decode(value).ok().map(SqlValue::Blob),
                _ => None,
            }
        }
        _ => None,
    };
    parts.into_iter().map(value).collect()
}
