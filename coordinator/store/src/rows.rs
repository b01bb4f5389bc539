//! Rows: what the store keeps for looking up, and how several changes of one row become one.

mod records;
mod work;

pub use records::*;
pub use work::*;

use rustc_hash::FxHashMap;
use std::hash::Hash;

/// A change of some columns of a row whose other columns are not at hand.
pub trait Patch: Default {
    /// The row that it changes.
    type Row: Clone + std::fmt::Debug;

    /// Changes the row.
    fn apply(self, row: &mut Self::Row);

    /// Adds a later change of the same row.
    fn then(&mut self, later: Self);
}

/// What a batch does to one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<P: Patch> {
    /// It was born and gone inside the batch.
    Nothing,
    /// It is born.
    Insert(P::Row),
    /// It was gone and is born again under the same key.
    Replace(P::Row),
    /// Some columns change.
    Update(P),
    /// It is gone.
    Delete,
}

impl<P: Patch> Change<P> {
    /// The whole row, where it is born in the batch.
    #[must_use]
    pub const fn row(&self) -> Option<&P::Row> {
        match self {
            Change::Insert(row) | Change::Replace(row) => Some(row),
            Change::Nothing | Change::Update(_) | Change::Delete => None,
        }
    }
}

/// The changes of one table, one for each row, in the order in which the rows were first touched.
#[derive(Clone, Debug)]
pub struct Net<K, P: Patch> {
    places: FxHashMap<K, u32>,
    changes: Vec<(K, Change<P>)>,
}

impl<K, P: Patch> Default for Net<K, P> {
    fn default() -> Self {
        Net {
            places: FxHashMap::default(),
            changes: Vec::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, P: Patch> Net<K, P> {
    /// A row is born.
    pub fn insert(&mut self, key: K, row: P::Row) {
        let Some(at) = self.places.get(&key) else {
            return self.push(key, Change::Insert(row));
        };
        let change = &mut self.changes[*at as usize].1;
        *change = match change {
            Change::Nothing | Change::Insert(_) => Change::Insert(row),
            Change::Replace(_) | Change::Update(_) | Change::Delete => Change::Replace(row),
        };
    }

    /// Some columns of a row change.
    pub fn update(&mut self, key: K, patch: P) {
        let Some(at) = self.places.get(&key) else {
            return self.push(key, Change::Update(patch));
        };
        match &mut self.changes[*at as usize].1 {
            Change::Insert(row) | Change::Replace(row) => patch.apply(row),
            Change::Update(earlier) => earlier.then(patch),
            Change::Nothing | Change::Delete => {}
        }
    }

    /// A row is gone.
    pub fn delete(&mut self, key: K) {
        let Some(at) = self.places.get(&key) else {
            return self.push(key, Change::Delete);
        };
        let change = &mut self.changes[*at as usize].1;
        *change = match change {
            Change::Insert(_) | Change::Nothing => Change::Nothing,
            Change::Replace(_) | Change::Update(_) | Change::Delete => Change::Delete,
        };
    }

    /// What happens to one row.
    #[must_use]
    pub fn get(&self, key: K) -> Option<&Change<P>> {
        self.places
            .get(&key)
            .map(|at| &self.changes[*at as usize].1)
    }

    /// The changes, one for each row.
    pub fn iter(&self) -> impl Iterator<Item = &(K, Change<P>)> {
        self.changes.iter()
    }

    /// How many rows are written or deleted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes
            .iter()
            .filter(|(_, change)| !matches!(change, Change::Nothing))
            .count()
    }

    /// Whether no row was touched.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.places.clear();
        self.changes.clear();
    }

    fn push(&mut self, key: K, change: Change<P>) {
        let at = u32::try_from(self.changes.len())
            .expect("a batch is bounded far below 4,294,967,296 rows");
        self.places.insert(key, at);
        self.changes.push((key, change));
    }
}

/// A table of codes: an enum, its stored number, and its name in answers.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $code:literal, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// The stored number.
            #[must_use]
            pub const fn code(self) -> i64 {
                match self { $($name::$variant => $code,)+ }
            }

            /// Takes the value back from its stored number.
            #[must_use]
            pub const fn from_code(code: i64) -> Option<$name> {
                match code { $($code => Some($name::$variant),)+ _ => None }
            }

            /// The name in answers and filters.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)+ }
            }

            /// Finds a value by its name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<$name> {
                match name { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}
pub(crate) use codes;
