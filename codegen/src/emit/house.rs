//! All that is generated for a family: the views of its structures, what is carried, and the pages
//! of its steps.

use super::carry::Carry;
use super::names::{ident, version};
use super::reasons::Reasons;
use super::text::Names;
use super::views::Views;
use super::{EmitError, TOOL};
use crate::coverage;
use crate::family::Stored;
use crate::overrides::{Changes, Overrides};
use crate::plan::{Pair, Plan, Undecided};
use kernel_structs::state::StateMap;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Where generated code finds other generated code.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The module of the family's views.
    pub views: String,
    /// The same, from inside of it.
    pub own_views: String,
    /// The module of what is carried in the family.
    pub carry: String,
    /// The same, from inside of it.
    pub own_carry: String,
    /// The module of the functions that people wrote for the family.
    pub overrides: String,
}

/// The generated code of one family.
pub struct House<'a> {
    family: &'a str,
    pub(super) layouts: &'a [Stored],
    pub(super) views: Views<'a>,
    pub(super) carry: Carry,
    pub(super) reasons: Reasons,
    plans: Vec<Plan>,
    pub(super) paths: Paths,
}

/// Why there is no house.
#[derive(Debug, thiserror::Error)]
pub enum HouseError {
    /// A layout cannot be carried into itself.
    #[error(
        "{layout}: a conversion between releases of this layout cannot be made; correct the state map{}",
        undecided.iter().map(|one| format!("\n    {one}")).collect::<String>()
    )]
    Undecided {
        /// The layout.
        layout: String,
        /// What.
        undecided: Vec<Undecided>,
    },
    /// Something cannot be written as Rust.
    #[error(transparent)]
    Emit(#[from] EmitError),
}

impl<'a> House<'a> {
    /// Plans every layout to itself, and finds what is alike. `changes` are the decisions of the
    /// family, whose reasons are named.
    ///
    /// # Errors
    /// [`HouseError`].
    pub fn build(
        map: &'a StateMap,
        changes: &Changes,
        layouts: &'a [Stored],
        paths: Paths,
    ) -> Result<House<'a>, HouseError> {
        let mut plans = Vec::new();
        for layout in layouts {
            let made = Plan::make(&Pair {
                converter: "identity",
                machine: &layout.machine,
                from: layout.side(),
                to: layout.side(),
                map,
                overrides: &Overrides::default(),
            });
            if !made.undecided.is_empty() {
                return Err(HouseError::Undecided {
                    layout: layout.id.clone(),
                    undecided: made.undecided,
                });
            }
            let findings = coverage::check(&made.plan, &layout.live, &layout.live);
            if !findings.is_empty() {
                return Err(EmitError::NotTotal(findings).into());
            }
            plans.push(made.plan);
        }
        let ids: Vec<&str> = layouts.iter().map(|layout| layout.id.as_str()).collect();
        let lived = layouts
            .iter()
            .map(|layout| (layout.id.as_str(), &layout.live));
        let views = Views::collect(lived.collect(), &plans);
        let reasons = Reasons::collect(map, changes);
        let carry = Carry::collect(&views, &ids, &plans, &map.watch, &reasons)?;
        Ok(House {
            family: &map.family,
            layouts,
            views,
            carry,
            reasons,
            plans,
            paths,
        })
    }

    /// The files of the views, by path in their folder.
    pub fn views(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let root = &self.paths.own_views;
        let mut list = format!(
            "{}//! Structures of {}, and which shape of them each layout has.\n\n",
            self.head(),
            self.family
        );
        for (module, text) in self.views.modules("super") {
            // Writing to a string cannot fail.
            let _ = writeln!(list, "pub mod {};", ident(&module));
            let head = self.head();
            let text = format!(
                "{head}//! `{module}` of {}.\n\nuse kernel_structs_views::prelude::*;\n\n{text}",
                self.family
            );
            files.insert(format!("{module}.rs"), text);
        }
        list.push_str("pub mod layouts;\n");
        files.insert("mod.rs".to_owned(), list);
        let lists = format!(
            "{}//! Which shape of a structure each layout has.\n{}",
            self.head(),
            self.views.lists(root)
        );
        files.insert("layouts.rs".to_owned(), lists);
        files
    }

    /// The files of what is carried, by path in their folder.
    ///
    /// # Errors
    /// If something cannot be written as Rust.
    pub fn carry(&self) -> Result<BTreeMap<String, String>, EmitError> {
        let macros = version(self.family);
        let in_macro = self.paths.own_carry.replacen("crate", "$crate", 1);
        let runtime = format!("{in_macro}::runtime::");
        let names = [
            Names {
                parameter: "",
                runtime: "",
                views: "views",
                carry: "super",
            },
            Names {
                parameter: "$",
                runtime: &runtime,
                views: "",
                carry: &in_macro,
            },
        ];
        let modules = self.carry.modules(&macros, [&names[0], &names[1]])?;
        let mut files = BTreeMap::new();
        let mut list = format!(
            "{}//! What is done with the types of {} that both sides have alike.\n\n",
            self.head(),
            self.family
        );
        for (module, text) in modules {
            // Writing to a string cannot fail.
            let _ = writeln!(list, "pub mod {};", ident(&module));
            let text = format!(
                "{}//! `{module}` of {}, where both sides have it alike.\n\nuse kconv_runtime::at;\nuse kconv_runtime::prelude::*;\nuse {} as views;\n{text}",
                self.head(),
                self.family,
                self.paths.views,
            );
            syn::parse_file(&text).map_err(EmitError::from)?;
            files.insert(format!("{module}.rs"), text);
        }
        list.push_str("pub mod layouts;\npub mod reasons;\n\n/// What the groups of lines call.\npub use kconv_runtime as runtime;\n");
        files.insert("mod.rs".to_owned(), list);
        let reasons = format!(
            "// @generated by {TOOL} from the state map and the decisions of {}.\n// Do not edit: run `kconv-gen generate`.\n\n//! Why rules of {} are what they are: every reason once, by the type and the member or constant\n//! that it was first given for.\n{}",
            self.family,
            self.family,
            self.reasons.modules()
        );
        files.insert("reasons.rs".to_owned(), reasons);
        files.insert("layouts.rs".to_owned(), self.layouts()?);
        Ok(files)
    }

    /// For each layout the converter between its own releases.
    fn layouts(&self) -> Result<String, EmitError> {
        let mut text = format!(
            "{}//! The layouts of {}: what is done between releases of each.\n\nuse kconv_runtime::prelude::*;\n",
            self.head(),
            self.family
        );
        let mut all = String::new();
        for (index, (layout, plan)) in self.layouts.iter().zip(&self.plans).enumerate() {
            let name = format!("v{}", version(&layout.id));
            let machine = match layout.machine.as_str() {
                "i386" => "I386",
                "amd64" => "X86_64",
                machine => {
                    return Err(EmitError::NoMachine {
                        machine: machine.to_owned(),
                    });
                }
            };
            let task = match &plan.task {
                None => "None".to_owned(),
                Some(task) => format!(
                    "Some(TaskLabel {{ ty: {:?}, pid: {}, comm: {}, comm_len: {} }})",
                    task.ty, task.pid, task.comm, task.comm_len
                ),
            };
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "
/// {id}.
pub mod {name} {{
    use super::super as types;
    use kconv_runtime::prelude::*;

    /// From this layout to itself.
    pub const IDENTITY: Converter = Converter {{
        name: \"identity\",
        tool: {TOOL:?},
        family: {family:?},
        machine: Machine::{machine},
        from: NODE,
        to: NODE,
        task: {task},
        changed: &[],
        carried: CARRIED,
        gone: &[],
        read: &[],
    }};
    pub static CONVERTER: Converter = IDENTITY;

    const NODE: Node = Node {{
        layout: {id:?},
        release: {release:?},
        fingerprint: Fingerprint::from_hex(\"{fingerprint}\"),
    }};

    static CARRIED: &[&TypeConverter] = &[
",
                id = layout.id,
                family = self.family,
                release = layout.release,
                fingerprint = layout.fingerprint,
            );
            for (_, path) in self.carry.list(index) {
                let _ = writeln!(text, "        &types::{path},");
            }
            text.push_str("    ];\n}\n");
            let _ = writeln!(all, "    &{name}::CONVERTER,");
        }
        let _ = write!(
            text,
            "\n/// From every layout to itself.\npub static ALL: &[&Converter] = &[\n{all}];\n"
        );
        Ok(text)
    }

    fn head(&self) -> String {
        format!(
            "// @generated by {TOOL} from the stored layouts of {}.\n// Do not edit: run `kconv-gen generate`.\n\n",
            self.family
        )
    }
}
