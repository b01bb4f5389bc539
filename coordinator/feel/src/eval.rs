//! Eval: walks a program with a scope, an environment and a budget; gives a value and the reasons for its nulls.

mod arithmetic;
mod call;
mod chain;
pub(crate) mod compare;
mod each;
mod test;

use std::sync::Arc;

pub use call::Closure;

use crate::number::Number;
use crate::program::{Comparison, ITEM, Id, Node, Program, Symbol};
use crate::text::brief;
use crate::value::{Context, List, Range, Value};
use crate::{Env, Evaluation, EvaluationError, Scope, Warning, WarningKind};

/// How deep lists, contexts and functions may hold each other; dropping them is recursive.
const VALUE_DEPTH_MAX: u16 = 500;

const WARNINGS_MAX: usize = 100;

pub(crate) type Evaluated<T = Value> = Result<T, EvaluationError>;

/// What one evaluation has used and found.
pub(crate) struct Machine<'a> {
    pub(crate) env: &'a Env,
    scope: &'a dyn Scope,
    steps: u32,
    depth: u16,
    bytes: usize,
    warnings: Vec<Warning>,
    muted: u32,
    random: u64,
    /// Variables of the program that runs, which are read again: reading one may mean to decode it.
    kept: Vec<(Symbol, Option<Value>)>,
    /// The program that runs; functions of other programs in scope read their variables anew.
    main: *const Program,
}

/// What the names of one program mean at the moment.
pub(crate) struct Frame<'p> {
    pub(crate) program: &'p Arc<Program>,
    pub(crate) binds: Vec<Bind>,
    pub(crate) input: Option<Value>,
}

/// One meaning of names, innermost last.
#[derive(Clone, Debug)]
pub(crate) enum Bind {
    Name(Symbol, Value),
    /// The item that a filter looks at: itself as `item`, and all its entries.
    Item(Value),
}

impl<'a> Machine<'a> {
    pub(crate) fn new(scope: &'a dyn Scope, env: &'a Env) -> Machine<'a> {
        let budget = env.budget;
        Machine {
            env,
            scope,
            steps: budget.steps,
            depth: budget.depth,
            bytes: budget.bytes,
            warnings: Vec::new(),
            muted: 0,
            random: env.seed,
            kept: Vec::new(),
            main: std::ptr::null(),
        }
    }

    pub(crate) fn run(mut self, program: &Arc<Program>, input: Option<Value>) -> Evaluation {
        let mut frame = Frame {
            program,
            binds: Vec::new(),
            input,
        };
        self.main = Arc::as_ptr(program);
        let result = self.eval(&mut frame, program.root);
        Evaluation {
            result,
            warnings: self.warnings,
        }
    }

    pub(crate) fn charge(&mut self, steps: usize) -> Evaluated<()> {
        match u32::try_from(steps)
            .ok()
            .and_then(|steps| self.steps.checked_sub(steps))
        {
            Some(left) => {
                self.steps = left;
                Ok(())
            }
            None => Err(self.out_of_steps()),
        }
    }

    #[cold]
    fn out_of_steps(&self) -> EvaluationError {
        EvaluationError::Budget(format!(
            "the expression took more than {} steps: loop over less",
            self.env.budget.steps
        ))
    }

    pub(crate) fn allocate(&mut self, bytes: usize) -> Evaluated<()> {
        match self.bytes.checked_sub(bytes) {
            Some(left) => {
                self.bytes = left;
                Ok(())
            }
            None => Err(EvaluationError::Budget(format!(
                "the expression made more than {} bytes of values: make less",
                self.env.budget.bytes
            ))),
        }
    }

    pub(crate) fn enter(&mut self) -> Evaluated<()> {
        match self.depth.checked_sub(1) {
            Some(left) => {
                self.depth = left;
                Ok(())
            }
            None => Err(EvaluationError::Budget(format!(
                "the expression is nested or calls itself deeper than {} levels",
                self.env.budget.depth
            ))),
        }
    }

    pub(crate) fn leave(&mut self) {
        self.depth += 1;
    }

    /// Notes why a null comes, and gives the null.
    pub(crate) fn null(&mut self, kind: WarningKind, message: impl FnOnce() -> String) -> Value {
        if self.muted == 0 && self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(Warning {
                kind,
                message: message(),
            });
        }
        Value::Null
    }

    /// The next of the numbers that the seed gives.
    pub(crate) fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    // Bounds what others do with a value: dropping follows its depth, writing it costs its weight.
    fn checked(&self, value: Value) -> Evaluated {
        if value.depth() > VALUE_DEPTH_MAX {
            return Err(EvaluationError::Budget(format!(
                "a value is nested deeper than {VALUE_DEPTH_MAX} levels"
            )));
        }
        if value.weight() > self.env.budget.bytes {
            return Err(EvaluationError::Budget(format!(
                "a value would be more than {} bytes of text",
                self.env.budget.bytes
            )));
        }
        Ok(value)
    }

    /// Makes a list within the budget.
    pub(crate) fn list(&mut self, items: Vec<Value>) -> Evaluated {
        self.allocate(items.len() * size_of::<Value>() + 32)?;
        self.checked(Value::List(Arc::new(List::new(items))))
    }

    /// Makes a context within the budget.
    pub(crate) fn context(&mut self, context: Context) -> Evaluated {
        self.allocate(context.entries().len() * 2 * size_of::<Value>() + 32)?;
        self.checked(Value::Context(Arc::new(context)))
    }

    /// Makes a string within the budget.
    pub(crate) fn text(&mut self, text: String) -> Evaluated {
        self.allocate(text.len())?;
        self.charge(text.len() / 64)?;
        Ok(Value::String(text.into()))
    }

    pub(crate) fn eval(&mut self, frame: &mut Frame<'_>, id: Id) -> Evaluated {
        let Some(left) = self.steps.checked_sub(1) else {
            return Err(self.out_of_steps());
        };
        self.steps = left;
        let program = frame.program;
        match &program.nodes[id as usize] {
            Node::Const(value) => Ok(value.clone()),
            Node::Name(symbol) => Ok(self.name(frame, *symbol)),
            Node::Input => Ok(frame.input.clone().unwrap_or(Value::Null)),
            node => {
                self.enter()?;
                let value = self.compound(frame, node);
                self.leave();
                value
            }
        }
    }

    fn compound(&mut self, frame: &mut Frame<'_>, node: &Node) -> Evaluated {
        match node {
            Node::Const(value) => Ok(value.clone()),
            Node::Name(symbol) => Ok(self.name(frame, *symbol)),
            Node::Input => Ok(frame.input.clone().unwrap_or(Value::Null)),
            Node::Nothing(kind, message) => Ok(self.null(*kind, || message.to_string())),
            Node::Chain(base, steps) => self.chain(frame, *base, steps),
            Node::List(items) => self.list_literal(frame, items),
            Node::Context(entries) => self.context_literal(frame, entries),
            Node::Range {
                start,
                start_included,
                end,
                end_included,
            } => self.range(frame, (*start, *start_included), (*end, *end_included)),
            Node::InputCompare(comparison, id) => self.input_compare(frame, *comparison, *id),
            Node::InputWithin(range) => self.input_within(frame, *range),
            Node::InputIs(bool) => self.equal_to_input(frame, &Value::Bool(*bool)),
            Node::Test { body, asks } => self.test(frame, *body, *asks),
            Node::AnyOf(tests) => self.any(frame, tests),
            Node::NotTest(test) => self.not_test(frame, *test),
            Node::Sum(first, rest) => self.sum(frame, *first, rest),
            Node::Product(first, rest) => self.product(frame, *first, rest),
            Node::Power(first, rest) => self.power(frame, *first, rest),
            Node::Negate(id) => self.negate(frame, *id),
            Node::Compare(comparison, left, right) => {
                self.compare(frame, *comparison, *left, *right)
            }
            Node::Between(value, low, high) => self.between(frame, *value, *low, *high),
            Node::And(all) => self.all(frame, all),
            Node::Or(all) => self.any(frame, all),
            Node::If(branches, otherwise) => self.if_then_else(frame, branches, *otherwise),
            Node::In(value, test) => self.is_in(frame, *value, *test),
            Node::InstanceOf(value, name) => self.instance_of(frame, *value, name),
            Node::Quantified(quantifier, each, body) => {
                self.quantified(frame, *quantifier, each, *body)
            }
            Node::For {
                each,
                body,
                partial,
            } => self.for_return(frame, each, *body, *partial),
            Node::Call(builtin, arguments) => self.call(frame, builtin, arguments),
            Node::Invoke(symbol, arguments) => self.invoke_name(frame, *symbol, arguments),
            Node::Function(parameters, body) => self.function(frame, parameters, *body),
        }
    }

    fn find(&mut self, frame: &Frame<'_>, symbol: Symbol) -> Option<Value> {
        let program = frame.program;
        let name = program.symbols.get(symbol as usize)?;
        for bind in frame.binds.iter().rev() {
            match bind {
                Bind::Name(bound, value) if *bound == symbol => return Some(value.clone()),
                Bind::Name(..) => {}
                Bind::Item(item) => {
                    if let Some(value) = item.get(name) {
                        return Some(value.clone());
                    }
                    if symbol == ITEM {
                        return Some(item.clone());
                    }
                }
            }
        }
        if program.kept.get(symbol as usize) != Some(&true) || self.main != Arc::as_ptr(program) {
            return self.scope.get(name);
        }
        if let Some((_, value)) = self.kept.iter().find(|(kept, _)| *kept == symbol) {
            return value.clone();
        }
        let value = self.scope.get(name);
        self.kept.push((symbol, value.clone()));
        value
    }

    fn name(&mut self, frame: &Frame<'_>, symbol: Symbol) -> Value {
        match self.find(frame, symbol) {
            Some(value) => value,
            None => self.null(WarningKind::NoVariableFound, || {
                let name = frame
                    .program
                    .symbols
                    .get(symbol as usize)
                    .map_or("", |name| name.as_str());
                format!("No variable found with name '{name}'")
            }),
        }
    }

    #[inline(never)]
    fn list_literal(&mut self, frame: &mut Frame<'_>, items: &[Id]) -> Evaluated {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.eval(frame, *item)?);
        }
        self.list(values)
    }

    #[inline(never)]
    fn context_literal(&mut self, frame: &mut Frame<'_>, entries: &[(Symbol, Id)]) -> Evaluated {
        let bound = frame.binds.len();
        for (symbol, id) in entries {
            let value = self.eval(frame, *id)?;
            frame.binds.push(Bind::Name(*symbol, value));
        }
        let program = frame.program;
        let context = Context::new(frame.binds.drain(bound..).filter_map(|bind| match bind {
            Bind::Name(symbol, value) => {
                Some((program.symbols.get(symbol as usize)?.clone(), value))
            }
            Bind::Item(_) => None,
        }));
        self.context(context)
    }

    #[inline(never)]
    fn range(&mut self, frame: &mut Frame<'_>, start: (Id, bool), end: (Id, bool)) -> Evaluated {
        let (low, high) = (self.eval(frame, start.0)?, self.eval(frame, end.0)?);
        let unbounded = |end: (Id, bool)| {
            matches!(
                frame.program.nodes.get(end.0 as usize),
                Some(Node::Const(Value::Null))
            )
        };
        let one = match (unbounded(start), unbounded(end)) {
            (true, false) => Some(&high),
            (false, true) => Some(&low),
            _ => None,
        };
        let valid = match one {
            Some(end) => compare::order(end, end).is_some(),
            None => compare::order(&low, &high).is_some(),
        };
        if !valid {
            return Ok(self.null(WarningKind::InvalidType, || {
                format!(
                    "Invalid range: its ends are '{}' and '{}'",
                    brief(&low),
                    brief(&high)
                )
            }));
        }
        self.allocate(2 * size_of::<Value>())?;
        Ok(Value::Range(Arc::new(Range {
            start: low,
            start_included: start.1,
            end: high,
            end_included: end.1,
        })))
    }

    /// True or false, or none and a warning that names the value found.
    pub(crate) fn truth(&mut self, value: &Value) -> Option<bool> {
        if let Value::Bool(bool) = value {
            return Some(*bool);
        }
        self.null(WarningKind::InvalidType, || {
            format!("Expected boolean but found '{}'", brief(value))
        });
        None
    }

    /// Folds the next operand into an `and` (`stop` is false) or an `or` (`stop` is true); none is neither.
    pub(crate) fn ternary(
        &mut self,
        so_far: Option<bool>,
        next: &Value,
        stop: bool,
    ) -> Option<bool> {
        match (so_far, next) {
            (_, Value::Bool(bool)) if *bool == stop => Some(stop),
            (None, _) => None,
            (Some(_), next) => self.truth(next),
        }
    }

    fn fold(&mut self, frame: &mut Frame<'_>, operands: &[Id], stop: bool) -> Evaluated {
        let mut so_far = Some(!stop);
        for operand in operands {
            let value = self.eval(frame, *operand)?;
            so_far = self.ternary(so_far, &value, stop);
            if so_far == Some(stop) {
                break;
            }
        }
        Ok(so_far.map_or(Value::Null, Value::Bool))
    }

    #[inline(never)]
    fn all(&mut self, frame: &mut Frame<'_>, operands: &[Id]) -> Evaluated {
        self.fold(frame, operands, false)
    }

    #[inline(never)]
    fn any(&mut self, frame: &mut Frame<'_>, operands: &[Id]) -> Evaluated {
        self.fold(frame, operands, true)
    }

    #[inline(never)]
    fn if_then_else(
        &mut self,
        frame: &mut Frame<'_>,
        branches: &[(Id, Id)],
        otherwise: Id,
    ) -> Evaluated {
        for (condition, then) in branches {
            let condition = self.eval(frame, *condition)?;
            if self.truth(&condition) == Some(true) {
                return self.eval(frame, *then);
            }
        }
        self.eval(frame, otherwise)
    }

    #[inline(never)]
    fn instance_of(&mut self, frame: &mut Frame<'_>, value: Id, name: &str) -> Evaluated {
        let value = self.eval(frame, value)?;
        let found = value.type_name();
        Ok(Value::Bool(match name {
            "Any" => !value.is_null(),
            "date time" | "dateTime" => found == "date and time",
            "year-month-duration" | "yearMonthDuration" => found == "years and months duration",
            "day-time-duration" | "dayTimeDuration" => found == "days and time duration",
            name => name.eq_ignore_ascii_case(found) && (name == found || name == "Null"),
        }))
    }

    #[inline(never)]
    fn compare(
        &mut self,
        frame: &mut Frame<'_>,
        comparison: Comparison,
        left: Id,
        right: Id,
    ) -> Evaluated {
        let (left, right) = (self.eval(frame, left)?, self.eval(frame, right)?);
        if let (Value::Number(Number::Int(a)), Value::Number(Number::Int(b))) = (&left, &right) {
            return Ok(Value::Bool(compare::holds(comparison, a.cmp(b))));
        }
        self.compare_values(comparison, &left, &right)
    }

    #[inline(never)]
    fn between(&mut self, frame: &mut Frame<'_>, value: Id, low: Id, high: Id) -> Evaluated {
        let value = self.eval(frame, value)?;
        let low = self.eval(frame, low)?;
        let above = self.compare_values(Comparison::GreaterOrEqual, &value, &low)?;
        if above == Value::Bool(false) {
            return Ok(above);
        }
        let high = self.eval(frame, high)?;
        let below = self.compare_values(Comparison::LessOrEqual, &value, &high)?;
        Ok(match (above, below) {
            (_, Value::Bool(false)) => Value::Bool(false),
            (Value::Bool(true), Value::Bool(true)) => Value::Bool(true),
            _ => Value::Null,
        })
    }
}
