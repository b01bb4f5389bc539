//! Calls: built-in functions, functions that values hold, and what they carry along.

use std::sync::Arc;

use smol_str::SmolStr;

use super::{Bind, Evaluated, Frame, Machine};
use crate::WarningKind;
use crate::functions::{Builtin, Fault};
use crate::program::{Arguments, Id, Program, Symbol};
use crate::text::brief;
use crate::value::Value;

/// A function that an expression defined, with the names that it saw.
#[derive(Debug)]
pub struct Closure {
    program: Arc<Program>,
    parameters: Box<[Symbol]>,
    names: Box<[SmolStr]>,
    body: Id,
    binds: Vec<Bind>,
    input: Option<Value>,
    depth: u16,
}

impl Closure {
    /// The names of its parameters.
    pub fn parameters(&self) -> &[SmolStr] {
        &self.names
    }

    pub(crate) fn depth(&self) -> u16 {
        self.depth
    }
}

impl Machine<'_> {
    #[inline(never)]
    pub(super) fn call(
        &mut self,
        frame: &mut Frame<'_>,
        builtin: &'static Builtin,
        arguments: &[Id],
    ) -> Evaluated {
        if arguments.len() <= 3 {
            let mut values = [Value::Null, Value::Null, Value::Null];
            for (value, id) in values.iter_mut().zip(arguments) {
                *value = self.eval(frame, *id)?;
            }
            return self.call_values(builtin, &values[..arguments.len()]);
        }
        let mut values = Vec::with_capacity(arguments.len());
        for id in arguments {
            values.push(self.eval(frame, *id)?);
        }
        self.call_values(builtin, &values)
    }

    fn call_values(&mut self, builtin: &'static Builtin, values: &[Value]) -> Evaluated {
        match (builtin.run)(self, values) {
            Ok(value) => Ok(value),
            Err(Fault::Stop(error)) => Err(error),
            Err(Fault::Refused(reason)) => Ok(self
                .null(WarningKind::FunctionInvocationFailure, || {
                    format!("Failed to invoke function '{}': {reason}", builtin.name)
                })),
            Err(Fault::Illegal) => Ok(self.null(WarningKind::FunctionInvocationFailure, || {
                let given: Vec<String> = values
                    .iter()
                    .map(|value| format!("'{}'", brief(value)))
                    .collect();
                format!(
                    "Failed to invoke function '{}': illegal arguments {}; it takes {}",
                    builtin.name,
                    given.join(", "),
                    builtin.usage()
                )
            })),
        }
    }

    #[inline(never)]
    pub(super) fn function(
        &mut self,
        frame: &mut Frame<'_>,
        parameters: &[Symbol],
        body: Id,
    ) -> Evaluated {
        self.charge(frame.binds.len())?;
        self.allocate((frame.binds.len() + 4) * size_of::<Bind>())?;
        let depth = frame
            .binds
            .iter()
            .map(|bind| match bind {
                Bind::Name(_, value) | Bind::Item(value) => value.depth(),
            })
            .max()
            .unwrap_or(0)
            .saturating_add(1);
        let names = parameters
            .iter()
            .filter_map(|symbol| frame.program.symbols.get(*symbol as usize))
            .cloned()
            .collect();
        let closure = Closure {
            program: Arc::clone(frame.program),
            parameters: parameters.into(),
            names,
            body,
            binds: frame.binds.clone(),
            input: frame.input.clone(),
            depth,
        };
        self.checked(Value::Function(Arc::new(closure)))
    }

    #[inline(never)]
    pub(super) fn invoke_name(
        &mut self,
        frame: &mut Frame<'_>,
        symbol: Symbol,
        arguments: &Arguments,
    ) -> Evaluated {
        let name = frame
            .program
            .symbols
            .get(symbol as usize)
            .cloned()
            .unwrap_or_default();
        let Some(Value::Function(closure)) = self.find(frame, symbol) else {
            return Ok(self.null(WarningKind::NoFunctionFound, || {
                format!("No function found with name '{name}'")
            }));
        };
        self.invoke(frame, &closure, &name, arguments)
    }

    #[inline(never)]
    pub(super) fn invoke_entry(
        &mut self,
        frame: &mut Frame<'_>,
        value: &Value,
        name: &SmolStr,
        arguments: &Arguments,
    ) -> Evaluated {
        let Some(Value::Function(closure)) = value.get(name).cloned() else {
            return Ok(self.null(WarningKind::NoFunctionFound, || {
                format!("No function found with name '{name}' in '{}'", brief(value))
            }));
        };
        self.invoke(frame, &closure, name, arguments)
    }

    fn invoke(
        &mut self,
        frame: &mut Frame<'_>,
        closure: &Arc<Closure>,
        name: &SmolStr,
        arguments: &Arguments,
    ) -> Evaluated {
        let mut values = Vec::with_capacity(closure.parameters.len());
        let fits = match arguments {
            Arguments::Positional(ids) => {
                for id in ids {
                    values.push(self.eval(frame, *id)?);
                }
                ids.len() == closure.parameters.len()
            }
            Arguments::Named(named) => {
                for parameter in &closure.names {
                    values.push(match named.iter().find(|(name, _)| name == parameter) {
                        Some((_, id)) => self.eval(frame, *id)?,
                        None => Value::Null,
                    });
                }
                named.iter().all(|(name, _)| closure.names.contains(name))
            }
        };
        if !fits {
            return Ok(self.null(WarningKind::NoFunctionFound, || {
                format!(
                    "No function found with name '{name}' and these parameters; it takes: {}",
                    closure.names.join(", ")
                )
            }));
        }
        self.invoke_values(closure, Some(name), values)
    }

    /// Calls a function with values; one that was found by a name knows itself by that name.
    pub(crate) fn invoke_values(
        &mut self,
        closure: &Arc<Closure>,
        name: Option<&str>,
        values: Vec<Value>,
    ) -> Evaluated {
        self.charge(closure.binds.len())?;
        let mut binds = Vec::with_capacity(closure.binds.len() + values.len() + 1);
        binds.extend(closure.binds.iter().cloned());
        let own = name.and_then(|name| {
            closure
                .program
                .symbols
                .iter()
                .position(|known| known == name)
        });
        if let Some(symbol) = own {
            binds.push(Bind::Name(
                symbol as Symbol,
                Value::Function(Arc::clone(closure)),
            ));
        }
        binds.extend(
            closure
                .parameters
                .iter()
                .zip(values)
                .map(|(symbol, value)| Bind::Name(*symbol, value)),
        );
        let mut inner = Frame {
            program: &closure.program,
            binds,
            input: closure.input.clone(),
        };
        self.enter()?;
        let result = self.eval(&mut inner, closure.body);
        self.leave();
        result
    }
}
