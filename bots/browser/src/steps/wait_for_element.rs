//! waitForElement: as many elements as the step says are there, visible or hidden, with these properties.

use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::page::{Look, alternatives};
use crate::recording::Fields;
use crate::selector::Selector;
use crate::steps::Cx;

const COUNT_MAX: f64 = 1_000_000.0;

/// Waits for elements.
#[derive(Debug, Clone, PartialEq)]
pub struct WaitForElement {
    /// The alternatives for finding the elements.
    pub selectors: Vec<Selector>,
    /// `>=`, `==` or `<=`.
    pub operator: &'static str,
    /// How many.
    pub count: u64,
    /// True for visible elements, false for hidden ones.
    pub visible: bool,
    /// DOM properties that they have.
    pub properties: Map<String, Value>,
    /// Attributes that they have.
    pub attributes: Map<String, Value>,
}

impl WaitForElement {
    pub(crate) fn read(fields: &mut Fields<'_, '_>) -> Option<Self> {
        let selectors = fields.selectors();
        // The recorder's runner takes a missing operator as "at least".
        let operator = fields.word_or("operator", &[">=", "==", "<="]);
        let count = fields.number_if_present("count", 0.0..=COUNT_MAX);
        let mut object = |key: &str| match fields.raw(key) {
            None => Map::new(),
            Some(Value::Object(object)) => object.clone(),
            Some(_) => {
                fields.wrong(key, "not an object", "record the step again");
                Map::new()
            }
        };
        let properties = object("properties");
        let attributes = object("attributes");
        Some(Self {
            selectors: selectors?,
            operator: operator?,
            count: count.unwrap_or(1.0) as u64,
            visible: fields.flag_or("visible", true),
            properties,
            attributes,
        })
    }

    fn holds(&self, count: u64) -> bool {
        match self.operator {
            "==" => count == self.count,
            "<=" => count <= self.count,
            _ => count >= self.count,
        }
    }

    pub(crate) async fn run(&self, cx: &mut Cx<'_, '_>) -> Result<(), Fault> {
        let given = vec![
            alternatives(&self.selectors),
            json!(self.visible),
            json!(self.properties),
            json!(self.attributes),
        ];
        let deadline = cx.deadline;
        let index = cx
            .page
            .poll(deadline, async |page| {
                let (answer, _) = page.call("count", given.clone()).await?;
                let counts: Vec<Option<u64>> = answer
                    .as_array()
                    .map(|list| list.iter().map(|one| one["count"].as_u64()).collect())
                    .unwrap_or_default();
                let holds = |count: &Option<u64>| count.is_some_and(|count| self.holds(count));
                // What no element satisfies too must hold for all, or a selector that drifted would satisfy it.
                let found = if self.holds(0) {
                    counts.iter().all(holds).then_some(0)
                } else {
                    counts.iter().position(holds)
                };
                Ok(match found {
                    Some(index) => Look::Found(index),
                    None => Look::NotYet(format!(
                        "{} {} {} elements expected, the selectors find {}",
                        self.operator,
                        self.count,
                        if self.visible { "visible" } else { "hidden" },
                        counts
                            .iter()
                            .map(|count| count
                                .map_or("an error".to_owned(), |count| count.to_string()))
                            .collect::<Vec<_>>()
                            .join(", ")
                    )),
                })
            })
            .await?;
        cx.matched = self
            .selectors
            .get(index)
            .map(|selector| botswain_action::Matched {
                index,
                of: self.selectors.len(),
                selector: selector.to_string(),
            });
        Ok(())
    }
}
