//! Mappings: how variables come into an element's scope, and how results go out of it.

use crate::event::Event;
use crate::incident::{IncidentKind, Problem};
use crate::lookup::{Lookup, SCOPE_BYTES_MAX, What};
use crate::process::{Mapping, Node, Value};
use crate::step::{At, Cx};
use crate::variables::{Json, Variables};
use smol_str::SmolStr;

/// Variables to be set, each in its scope.
pub(crate) type Writes = Vec<(At, Variables)>;

/// What an element has when its work is done.
pub(crate) struct Done {
    /// Its own variables that are not set yet.
    pub(crate) locals: Variables,
    /// What its work gave.
    pub(crate) payload: Variables,
}

impl Done {
    /// What the element sees before what is around it.
    pub(crate) fn seen(&self) -> Variables {
        let mut seen = self.locals.clone();
        seen.merge(&self.payload);
        seen
    }
}

impl Cx<'_> {
    /// The values of the element's own scope: later mappings see what earlier ones made.
    pub(crate) fn inputs(&self, at: At, node: &Node) -> Result<Variables, Problem> {
        let mut locals = Variables::new();
        for mapping in &node.inputs {
            let value = self.mapped(at, &locals, node, mapping, "the input mapping")?;
            let (name, value) = (
                mapping.target[0].clone(),
                self.nested(mapping, value, locals.get(&mapping.target[0])),
            );
            locals.set(name, value);
        }
        self.check_size(at, node, &locals)?;
        Ok(locals)
    }

    /// What an element that is done writes, and where: by its output mappings, or each value to the nearest scope that has
    /// the variable, from the element's own scope outwards, else to the root.
    pub(crate) fn outputs(&self, at: At, node: &Node, done: &Done) -> Result<Writes, Problem> {
        if node.outputs.is_empty() {
            if done.payload.is_empty() {
                return Ok(Vec::new());
            }
            let (own, others): (Vec<_>, Vec<_>) = done
                .payload
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .partition(|(name, _)| done.locals.get(name).is_some());
            let mut writes = self.propagate(at, Variables::from_iter(others));
            if !own.is_empty() {
                writes.push((at, Variables::from_iter(own)));
            }
            for (scope, variables) in &writes {
                self.check_size(*scope, node, variables)?;
            }
            return Ok(writes);
        }
        let before = done.seen();
        let mut seen = before.clone();
        let mut results = Variables::new();
        for mapping in &node.outputs {
            let value = self.mapped(at, &seen, node, mapping, "the output mapping")?;
            let name = &mapping.target[0];
            let whole = results
                .get(name)
                .or_else(|| Lookup::new(self.instance(), at, &before).json(name));
            let value = self.nested(mapping, value, whole);
            seen.set(name.clone(), value.clone());
            results.set(name.clone(), value);
        }
        let Some(scope) = self.scope(at) else {
            return Ok(vec![(at, results)]);
        };
        let writes = self.propagate(scope, results);
        for (scope, variables) in &writes {
            self.check_size(*scope, node, variables)?;
        }
        Ok(writes)
    }

    /// Distributes values: each to the nearest scope that has the variable, from `from` outwards, else to the root.
    pub(crate) fn propagate(&self, from: At, variables: Variables) -> Writes {
        let root = self.root();
        if from == root {
            return vec![(root, variables)];
        }
        let mut writes: Writes = Vec::new();
        for (name, value) in variables.iter() {
            let mut here = from;
            while self.token(here).variables().get(name).is_none() {
                match self.scope(here) {
                    Some(scope) => here = scope,
                    None => break,
                }
            }
            match writes.iter_mut().find(|(at, _)| *at == here) {
                Some((_, known)) => known.set(name.clone(), value.clone()),
                None => writes.push((here, Variables::from_iter([(name.clone(), value.clone())]))),
            }
        }
        writes
    }

    /// Writes variables where they belong.
    pub(crate) fn write(&mut self, writes: Writes) {
        for (at, variables) in writes {
            if !variables.is_empty() {
                self.emit(
                    at.segment,
                    Event::VariablesSet {
                        scope: at.token,
                        variables,
                    },
                );
            }
        }
    }

    /// How large a scope is once these variables are written.
    pub(crate) fn size_with(&self, at: At, more: &Variables) -> usize {
        let have = self.token(at).variables();
        let replaced: usize = more
            .iter()
            .filter_map(|(name, _)| have.get(name).map(|json| name.len() + json.bytes()))
            .sum();
        have.bytes() + more.bytes() - replaced
    }

    /// Refuses what would make a scope too large.
    pub(crate) fn check_size(&self, at: At, node: &Node, more: &Variables) -> Result<(), Problem> {
        let bytes = self.size_with(at, more);
        if bytes <= SCOPE_BYTES_MAX {
            return Ok(());
        }
        Err(Problem::new(
            IncidentKind::LimitExceeded,
            format!(
                "the variables that '{}' writes make its scope {bytes} bytes large, the limit is {SCOPE_BYTES_MAX}: keep large \
                 documents outside and pass a reference",
                node.id
            ),
        ))
    }

    fn mapped(
        &self,
        at: At,
        over: &Variables,
        node: &Node,
        mapping: &Mapping,
        part: &str,
    ) -> Result<Json, Problem> {
        match &mapping.source {
            Value::Literal(text) => Ok(Json::from_trusted(
                serde_json::Value::from(text.as_str()).to_string(),
            )),
            Value::Feel(expression) => {
                if let [name] = expression.names()
                    && name == expression.source()
                    && let Some(json) = Lookup::new(self.instance(), at, over).json(name)
                {
                    return Ok(json.clone());
                }
                let part = format!("{part} to '{}'", mapping.target.join("."));
                let what = What {
                    part: &part,
                    id: &node.id,
                };
                let found =
                    self.evaluate_for(IncidentKind::IoMappingError, at, over, what, expression)?;
                Ok(Json::from_trusted(found.value.to_json()))
            }
        }
    }

    /// Puts a value at the mapping's path inside the variable as it was before.
    fn nested(&self, mapping: &Mapping, value: Json, before: Option<&Json>) -> Json {
        let path = &mapping.target[1..];
        if path.is_empty() {
            return value;
        }
        let parse =
            |json: &Json| serde_json::from_str(json.as_str()).unwrap_or(serde_json::Value::Null);
        let mut whole: serde_json::Value = before.map_or(serde_json::Value::Null, parse);
        let mut place = &mut whole;
        for name in path {
            if !place.is_object() {
                *place = serde_json::Value::Object(serde_json::Map::new());
            }
            place = place
                .as_object_mut()
                .expect("it was made an object a line above")
                .entry(SmolStr::as_str(name))
                .or_insert(serde_json::Value::Null);
        }
        *place = parse(&value);
        Json::from_trusted(whole.to_string())
    }
}

#[cfg(test)]
mod tests {
    use crate::check::Input::{Done, Resolve, Set};
    use crate::check::{check, check_with, done};
    use expect_test::expect;

    #[test]
    fn inputs_are_local_and_outputs_go_out() {
        let model = r#"start > a:job(in total = price * 2, out order.sum = result, out seen = total) > end"#;
        check_with(
            model,
            r#"{"price":4,"order":{"id":7}}"#,
            [Done("a", r#"{"result":9}"#)],
            expect![[r#"completed {"order":{"id":7,"sum":9},"price":4,"seen":8}"#]],
        );
    }

    #[test]
    fn a_result_goes_to_the_scope_that_has_the_variable() {
        let model = "start > sub:{ start > a:job(in x = 1) > b:job > end } > end";
        check_with(
            model,
            r#"{"y":0}"#,
            [Done("a", r#"{"x":5,"y":6,"z":7}"#), done("b")],
            expect![[r#"completed {"y":6,"z":7}"#]],
        );
    }

    #[test]
    fn a_failing_output_mapping_keeps_the_result() {
        let model = r#"start > a:job(out x = assert(y, y != null)) > end"#;
        check(
            model,
            [Done("a", r#"{"z":1}"#)],
            expect![[r#"
        process: 1 inside
          a: IO_MAPPING_ERROR the output mapping to 'x' of 'a' `=assert(y, y != null)` failed: assertion failed: The condition is not fulfilled"#]],
        );
        check(
            model,
            [Done("a", r#"{"z":1}"#), Set(r#"{"y":3}"#), Resolve("a")],
            expect![[r#"completed {"x":3,"y":3}"#]],
        );
    }

    #[test]
    fn inputs_are_computed_once_although_the_outputs_failed() {
        check_with(
            "start > a:script(x * 10 -> r, in x = x + 1, out y = assert(r, z != null)) > end",
            r#"{"x":1}"#,
            [Set(r#"{"z":0}"#), Resolve("a")],
            expect![[r#"completed {"x":1,"y":20,"z":0}"#]],
        );
    }

    #[test]
    fn a_null_input_hides_the_variable_outside() {
        check_with(
            "start > a:job(in x = null) > b:job > end",
            r#"{"x":1}"#,
            [Done("a", r#"{"x":2}"#)],
            expect![[r#"
                process: 1 inside
                  b: job"#]],
        );
    }

    #[test]
    fn a_later_mapping_sees_what_an_earlier_one_made() {
        check(
            "start > a:job(in p = 2, in q = p * 2, out r = q + s, out t = r * 10) > end",
            [Done("a", r#"{"s":1}"#)],
            expect![[r#"completed {"r":5,"t":50}"#]],
        );
    }

    #[test]
    fn a_mapping_puts_a_value_inside_of_what_is_there() {
        check_with(
            "start > a:job(out order.address.city = city, out order.id = 8) > end",
            r#"{"order":{"id":7,"address":{"zip":"1"}}}"#,
            [Done("a", r#"{"city":"Ulm"}"#)],
            expect![[r#"completed {"order":{"id":8,"address":{"zip":"1","city":"Ulm"}}}"#]],
        );
    }
}
