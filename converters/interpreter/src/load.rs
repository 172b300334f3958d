//! A plan as a converter.

use crate::call::{Callee, Result as CallResult};
use crate::line::{Called, Element, Line, MOST_CALLED, Program, Step};
use crate::tables::{kept, rules};
use kconv_image::model::{Fingerprint, Machine};
use kconv_plans::Checked;
use kconv_plans::model::{self, Act, Call, Each, Flags, Plan};
use kconv_runtime::flags::Flags as Table;
use kconv_runtime::table::{Convert, Converter, Node, TaskLabel, TypeConverter};

/// Why a plan is no converter of this program.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A machine that this program does not know.
    #[error("the plan is for the machine `{machine}`; this program knows i386 and amd64")]
    Machine {
        /// Its name.
        machine: String,
    },
    /// A function of people that is not compiled into this program.
    #[error(
        "{ty}.{field}: the plan calls `{function}`, which this program has not for {family}; use the kconv that belongs to the kconv-gen that wrote the plan"
    )]
    NoFunction {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// The function.
        function: String,
        /// The family.
        family: String,
    },
    /// A function of people that takes something else.
    #[error(
        "{ty}.{field}: the plan gives `{function}` something else than it takes, which is {expected}; use the kconv that belongs to the kconv-gen that wrote the plan"
    )]
    OtherFunction {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// The function.
        function: String,
        /// What it takes.
        expected: String,
    },
    /// More flags of a field are decided by functions than there is room for.
    #[error(
        "{ty}.{field}: functions decide about {found} flags; at most {MOST_CALLED} are expected"
    )]
    TooManyFlags {
        /// The type.
        ty: String,
        /// The field.
        field: String,
        /// Their number.
        found: usize,
    },
}

/// The converter that carries out a plan. `functions` are those of people for the family of the plan.
///
/// It stays in memory as long as the program runs, and so does the plan.
///
/// # Errors
/// [`LoadError`].
pub fn converter(plan: Checked, functions: &[Callee]) -> Result<&'static Converter, LoadError> {
    let plan = plan.into_plan();
    let machine = match plan.machine.as_str() {
        "i386" => Machine::I386,
        "amd64" => Machine::X86_64,
        _ => {
            return Err(LoadError::Machine {
                machine: plan.machine,
            });
        }
    };
    check_calls(&plan, functions)?;
    let plan: &'static Plan = Box::leak(Box::new(plan));
    let mut programs: Vec<&'static Program> = Vec::new();
    for ty in &plan.types {
        let lines = ty.fields.iter().flat_map(|field| &field.lines);
        let lines = lines.map(|line| Line {
            at: line.at.as_ref(),
            step: step(&line.act, &programs, functions),
        });
        let program = Program {
            name: &ty.name,
            from_size: ty.from_size as usize,
            to_size: ty.to_size as usize,
            lines: lines.collect(),
        };
        programs.push(Box::leak(Box::new(program)));
    }
    let mut types: Vec<_> = plan.types.iter().zip(programs).collect();
    types.sort_by_key(|(ty, _)| &ty.name);
    let changed = types.iter().map(|(ty, _)| TypeConverter {
        rules: rules(plan, ty),
        convert: None,
    });
    let read = types.iter().filter(|(ty, _)| ty.object);
    let read = read.map(|(ty, program)| (ty.name.as_str(), *program as &dyn Convert));
    let converter = Converter {
        name: &plan.converter,
        tool: &plan.tool,
        family: &plan.family,
        machine,
        from: node(&plan.from),
        to: node(&plan.to),
        task: plan.task.as_ref().map(|task| TaskLabel {
            ty: &task.ty,
            pid: task.pid,
            comm: task.comm,
            comm_len: task.comm_len,
        }),
        changed: kept(changed.collect()),
        carried: &[],
        gone: &[],
        read: kept(read.collect()),
    };
    Ok(Box::leak(Box::new(converter)))
}

fn node(node: &'static model::Node) -> Node {
    let mut bytes = [0; 32];
    let digits = node.fingerprint.as_bytes().chunks_exact(2);
    for (byte, digits) in bytes.iter_mut().zip(digits) {
        // A plan that was read has digits there.
        let value = |digit: u8| char::from(digit).to_digit(16).unwrap_or(0) as u8;
        *byte = value(digits[0]) << 4 | value(digits[1]);
    }
    Node {
        layout: &node.layout,
        release: &node.release,
        fingerprint: Fingerprint(bytes),
    }
}

/// The function that a call is for, among those of its name the one that takes what it is given.
fn callee(functions: &[Callee], first: usize, call: &Call, result: CallResult) -> Option<Callee> {
    let mut named = functions.iter().filter(|of| of.name == call.function);
    let found = named.find(|of| of.signature.fits(first, call, result));
    found.copied()
}

/// That every call of the plan has its function.
fn check_calls(plan: &Plan, functions: &[Callee]) -> Result<(), LoadError> {
    for ty in &plan.types {
        for field in &ty.fields {
            for line in &field.lines {
                let mut calls = Vec::new();
                match &line.act {
                    Act::Call { call, new } => {
                        calls.push((0, call, CallResult::Bytes(new.1 as usize)));
                    }
                    Act::Flags { flags, .. } => {
                        let found = flags.called.len();
                        if found > MOST_CALLED {
                            return Err(LoadError::TooManyFlags {
                                ty: ty.name.clone(),
                                field: field.path.clone(),
                                found,
                            });
                        }
                        let called = flags.called.iter();
                        calls.extend(called.map(|flag| (1, &flag.call, CallResult::Answer)));
                    }
                    _ => {}
                }
                for (first, call, result) in calls {
                    if callee(functions, first, call, result).is_some() {
                        continue;
                    }
                    let (ty, field) = (ty.name.clone(), field.path.clone());
                    let function = call.function.clone();
                    let named = functions.iter().find(|of| of.name == call.function);
                    return Err(match named {
                        None => LoadError::NoFunction {
                            ty,
                            field,
                            function,
                            family: plan.family.clone(),
                        },
                        Some(named) => LoadError::OtherFunction {
                            ty,
                            field,
                            function,
                            expected: named.signature.to_string(),
                        },
                    });
                }
            }
        }
    }
    Ok(())
}

/// A line with what it names found: types before its own, and functions, all of which are there.
fn step(act: &'static Act, programs: &[&'static Program], functions: &[Callee]) -> Step {
    match act {
        Act::Flags { old, new, flags } => Step::Flags {
            old: *old,
            new: *new,
            flags: table(flags),
            called: flags
                .called
                .iter()
                .filter_map(|flag| {
                    Some(Called {
                        from: flag.from,
                        to: flag.to,
                        callee: callee(functions, 1, &flag.call, CallResult::Answer)?,
                        call: &flag.call,
                    })
                })
                .collect(),
        },
        Act::Inside { ty, old, new } => match programs.get(*ty as usize) {
            Some(program) => Step::Inside {
                program,
                old: *old as usize,
                new: *new as usize,
            },
            None => Step::Plain(act),
        },
        Act::Each {
            old,
            new,
            each,
            rest,
        } => match element(each, programs) {
            Some(each) => Step::Each {
                old: *old,
                new: *new,
                each,
                rest: *rest,
            },
            None => Step::Plain(act),
        },
        Act::Call { call, new } => {
            match callee(functions, 0, call, CallResult::Bytes(new.1 as usize)) {
                Some(callee) => Step::Call {
                    callee,
                    call,
                    new: *new,
                },
                None => Step::Plain(act),
            }
        }
        act => Step::Plain(act),
    }
}

fn element(each: &'static Each, programs: &[&'static Program]) -> Option<Element> {
    Some(match each {
        Each::Copy => Element::Copy,
        Each::Number { old, new, by } => Element::Number {
            old: *old,
            new: *new,
            by,
        },
        Each::Inside(ty) => Element::Inside(programs.get(*ty as usize)?),
        Each::Array {
            count,
            old,
            new,
            each,
        } => Element::Array {
            count: *count as usize,
            old: *old as usize,
            new: *new as usize,
            each: Box::new(element(each, programs)?),
        },
    })
}

fn table(flags: &'static Flags) -> Table {
    let refused = flags.refused.iter();
    Table {
        same: flags.same,
        moved: &flags.moved,
        dropped: flags.dropped,
        elsewhere: flags.elsewhere,
        refused: kept(refused.map(|(name, mask)| (name.as_str(), *mask)).collect()),
        together: &flags.together,
    }
}
