//! The page of a step: the types that differ between two layouts, in bytes, meaning or rule.
//!
//! A page is for reading. What needs none stands beside it, in `rest`: the lines of fields that both
//! layouts carry alike, one macro for each type, and the tables for the engine.

use super::carry::{Carry, nested_first};
use super::entry::Entry;
use super::functions::function;
use super::group::{Group, SMALLEST_GROUP};
use super::house::House;
use super::names::{ident, module_name, version};
use super::shared::{Known, Printed};
use super::tables::type_converter;
use super::text::{Names, named};
use super::views::Structs;
use super::written::Written;
use super::{EmitError, REST, TOOL};
use crate::coverage;
use crate::plan::{Action, Plan, TypePlan};
use proc_macro2::TokenStream;
use quote::quote;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The generated code of a pair of layouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The page.
    pub text: String,
    /// What needs no reading, for the file of the same name in the folder [`REST`].
    pub rest: String,
}

/// A type on the page.
struct Changed<'a> {
    ty: &'a TypePlan,
    types: [TokenStream; 2],
    /// Lines that both layouts have for their own values of the type, and those about padding;
    /// empty if they are too few to stand apart.
    alike: Vec<Entry>,
    /// All others.
    own: Vec<Entry>,
}

impl House<'_> {
    /// The pages of a step that these plans describe, each with the module that it is. What several of them have
    /// alike is on the first.
    ///
    /// # Errors
    /// If a plan is not total, or is of layouts that are not in this house, or asks for something
    /// that cannot be written.
    pub fn pages(&self, plans: &[(&Plan, &str)]) -> Result<Vec<Page>, EmitError> {
        let mut known = Known::default();
        let mut pages = Vec::new();
        for (plan, module) in plans {
            let structs = Structs {
                views: &self.views,
                pair: self.pair(plan)?,
            };
            let changed = changed(self, &structs, plan)?;
            let mut gone: Vec<&str> = self.carry.objects(structs.pair[0]).collect();
            gone.retain(|name| !plan.types.contains_key(*name));
            let mut functions = Vec::new();
            for name in nested_first(plan) {
                if let Some(of) = changed.get(name) {
                    functions.push((name, printed(self, name, of)?));
                }
            }
            let printed: BTreeMap<&str, Printed> = functions.iter().cloned().collect();
            let written = known.add(module, functions);
            let on_page = OnPage {
                module,
                printed,
                written,
                gone,
            };
            let page = Page {
                text: plain(&text(self, plan, &changed, &on_page)),
                rest: plain(&rest(self, plan, &changed, &on_page)?),
            };
            syn::parse_file(&page.text)?;
            syn::parse_file(&page.rest)?;
            pages.push(page);
        }
        Ok(pages)
    }

    /// The whole function for values of the type `name`; `None` if the plan has no such type.
    ///
    /// # Errors
    /// As for [`House::pages`].
    pub fn show(&self, plan: &Plan, name: &str) -> Result<Option<String>, EmitError> {
        whole_text(self, self.pair(plan)?, plan, name)
    }

    fn pair(&self, plan: &Plan) -> Result<[usize; 2], EmitError> {
        let find = |name: &str| {
            let place = self.layouts.iter().position(|layout| layout.id == name);
            place.ok_or_else(|| EmitError::NoLayout {
                layout: name.to_owned(),
            })
        };
        Ok([find(&plan.from.layout)?, find(&plan.to.layout)?])
    }
}

/// The functions of a page.
struct OnPage<'a> {
    module: &'a str,
    printed: BTreeMap<&'a str, Printed>,
    /// The pages that they are written on.
    written: BTreeMap<String, String>,
    /// Types of objects that the layout written has not.
    gone: Vec<&'a str>,
}

impl OnPage<'_> {
    /// Those that are written here.
    fn own(&self) -> impl Iterator<Item = &Printed> {
        let own = self.printed.iter();
        let own =
            own.filter(|(name, _)| self.written.get(**name).is_none_or(|on| on == self.module));
        own.map(|(_, printed)| printed)
    }

    /// Those that are written on other pages, by these.
    fn others(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut others: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, printed) in &self.printed {
            if let Some(page) = self.written.get(*name).filter(|page| *page != self.module) {
                others.entry(page).or_default().push(&printed.function);
            }
        }
        others
    }
}

/// The function for values of the type `name`, and the macro that it uses.
fn printed(house: &House<'_>, name: &str, of: &Changed<'_>) -> Result<Printed, EmitError> {
    let function = ident(&module_name(name)).to_string();
    let sizes = match of.ty.from_size == of.ty.to_size {
        true => format!("{} bytes", of.ty.to_size),
        false => format!("{} bytes, now {}", of.ty.from_size, of.ty.to_size),
    };
    let (mut body, mut alike) = (String::new(), String::new());
    // Writing to a string cannot fail, here and below.
    if !of.alike.is_empty() {
        let fields = of.alike.iter().filter(|entry| is_field(entry)).count();
        let _ = write!(
            body,
            "    // {fields} fields that both carry alike\n    rest::{function}!(ŋcx, ŋat, ŋold, ŋnew);\n"
        );
        let path = format!("carry::{function}::");
        let groups = whole(house.carry.groups(name), &of.alike);
        let lines = of.written(&function, &of.alike, &groups, &path).body(8)?;
        let _ = write!(
            alike,
            "
macro_rules! {function} {{
    ($cx:ident, $at:ident, $old:ident, $new:ident) => {{
{}    }};
}}
pub(super) use {function};
",
            named(&lines, &names("$")),
        );
    }
    let written = of.written(&function, &of.own, &[], "");
    body.push_str(&written.body(4)?);
    let text = format!("\n/// `{name}`, {sizes}.\n{}", written.function(&body));
    Ok(Printed {
        function,
        text,
        alike,
    })
}

impl Changed<'_> {
    /// Some of its entries, to be written down.
    fn written<'a>(
        &'a self,
        function: &'a str,
        entries: &'a [Entry],
        groups: &'a [&'a Group],
        path: &'a str,
    ) -> Written<'a> {
        Written {
            function,
            types: [&self.types[0], &self.types[1]],
            entries,
            groups,
            path,
        }
    }
}

fn is_field(entry: &Entry) -> bool {
    !entry.rule.is_empty() && !entry.is_padding()
}

/// The first lines of a file of the step.
fn head(plan: &Plan) -> String {
    format!(
        "\
// @generated by {TOOL}
// from {} {}
// to   {} {}
// Do not edit: change the overrides, then run `kconv-gen generate`.

",
        plan.from.layout, plan.from.fingerprint, plan.to.layout, plan.to.fingerprint,
    )
}

/// Whether a function of people makes something of a type.
fn calls_people(ty: &TypePlan) -> bool {
    ty.fields.iter().any(|field| match &field.action {
        Action::Call { .. } => true,
        Action::Flags(flags) => !flags.called.is_empty(),
        _ => false,
    })
}

/// The page for people.
fn text(
    house: &House<'_>,
    plan: &Plan,
    changed: &BTreeMap<String, Changed<'_>>,
    on_page: &OnPage<'_>,
) -> String {
    let paths = &house.paths;
    let (from, to) = (&plan.from.release, &plan.to.release);
    let mut text = head(plan);
    let functions = match changed.values().any(|of| calls_people(of.ty)) {
        true => format!("use {} as overrides;\n", paths.overrides),
        false => String::new(),
    };
    // Writing to a string cannot fail, here and below.
    let _ = write!(
        text,
        "\
//! Converts {} state of {from} to {to}: the types that differ between the two.
//! `kconv-gen show {from} {to} TYPE` prints a function with the fields that both carry alike.

use {} as views;
use {} as carry;
{functions}use kconv_runtime::at;
use kconv_runtime::prelude::*;

#[path = {:?}]
mod rest;
",
        plan.family,
        paths.views,
        paths.carry,
        format!("{REST}/{}.rs", on_page.module),
    );
    for (page, functions) in on_page.others() {
        let _ = write!(
            text,
            "\n// The same as on that page.\npub use super::{page}::{{\n    {},\n}};\n",
            functions.join(",\n    ")
        );
    }
    for printed in on_page.own() {
        text.push_str(&printed.text);
    }
    let node = |id: &str| format!("carry::layouts::v{}", version(id));
    let gone = match on_page.gone.as_slice() {
        [] => String::new(),
        gone => format!("    gone: &{gone:?},\n"),
    };
    let _ = write!(
        text,
        "
/// What the converter is, for the engine.
pub static CONVERTER: Converter = Converter {{
    name: {:?},
    from: Node {{ release: {:?}, ..{from}::IDENTITY.from }},
    to: Node {{ release: {:?}, ..{to}::IDENTITY.to }},
    changed: rest::CHANGED,
{gone}    ..{from}::IDENTITY
}};
",
        plan.converter,
        plan.from.release,
        plan.to.release,
        from = node(&plan.from.layout),
        to = node(&plan.to.layout),
    );
    text
}

/// What needs no reading: lines of fields that both layouts carry alike, and tables.
fn rest(
    house: &House<'_>,
    plan: &Plan,
    changed: &BTreeMap<String, Changed<'_>>,
    on_page: &OnPage<'_>,
) -> Result<String, EmitError> {
    let mut text = head(plan);
    // Writing to a string cannot fail, here and below.
    let _ = write!(
        text,
        "\
//! What needs no reading of {} to {}: fields that both carry alike, and the tables for the engine.

use {} as carry;
use kconv_runtime::prelude::*;
",
        plan.from.release, plan.to.release, house.paths.carry,
    );
    for printed in on_page.own() {
        text.push_str(&printed.alike);
    }
    let mut tables = String::new();
    for (name, of) in changed {
        let module = ident(&module_name(name)).to_string();
        let path = format!("carry::{module}::");
        let groups = house.carry.groups(name);
        let entries = [of.alike.as_slice(), of.own.as_slice()].concat();
        let groups = whole(groups, &entries);
        let rules = of.written(&module, &entries, &groups, &path).rules();
        let table = type_converter(plan, of.ty, &rules, &format!("super::{module}"))?;
        let _ = writeln!(tables, "    {table},");
    }
    let _ = write!(
        text,
        "\npub(super) static CHANGED: &[TypeConverter] = &[\n{tables}];\n"
    );
    Ok(text)
}

/// What stands in the lines of a page for what they do not know.
fn names(parameter: &str) -> Names<'_> {
    Names {
        parameter,
        runtime: "",
        views: "views",
        carry: "carry",
    }
}

fn plain(text: &str) -> String {
    named(text, &names(""))
}

/// The whole text of the function for values of the type `name`, without groups.
fn whole_text(
    house: &House<'_>,
    [from, to]: [usize; 2],
    plan: &Plan,
    name: &str,
) -> Result<Option<String>, EmitError> {
    let structs = Structs {
        views: &house.views,
        pair: [from, to],
    };
    let Some(ty) = plan.types.get(name) else {
        return Ok(None);
    };
    let changed = changed(house, &structs, plan)?;
    let functions = |name: &str| path(house, from, &changed, name);
    let made = function(ty, &structs, &functions, &quote!(overrides), &house.reasons)?;
    let written = Written {
        function: &ident(&module_name(name)).to_string(),
        types: [&made.old_type, &made.new_type],
        entries: &made.entries,
        groups: &[],
        path: "",
    };
    Ok(Some(plain(&written.function(&written.body(4)?))))
}

/// The types that are not carried as both layouts carry them.
fn changed<'a>(
    house: &House<'_>,
    structs: &Structs<'_>,
    plan: &'a Plan,
) -> Result<BTreeMap<String, Changed<'a>>, EmitError> {
    let [from, to] = structs.pair;
    let layouts = [from, to].map(|layout| house.views.layout(layout));
    let findings = coverage::check(plan, layouts[0], layouts[1]);
    if !findings.is_empty() {
        return Err(EmitError::NotTotal(findings));
    }
    let mut changed: BTreeMap<String, Changed<'_>> = BTreeMap::new();
    for name in nested_first(plan) {
        let ty = &plan.types[name];
        let functions = |name: &str| path(house, from, &changed, name);
        let made = function(ty, structs, &functions, &quote!(overrides), &house.reasons)?;
        let table = Carry::table(plan, ty)?;
        let carried =
            house.carry.alike(from, to, name) && house.carry.is(from, name, &made.entries, &table);
        if !carried {
            let types = [made.old_type, made.new_type];
            let (alike, own) = apart(house, [from, to], name, made.entries);
            let of = Changed {
                ty,
                types,
                alike,
                own,
            };
            changed.insert(name.to_owned(), of);
        }
    }
    Ok(changed)
}

/// Entries that both layouts have for their own values of the type `name`, with those that clear
/// bytes, and all others. Few stand among the others.
fn apart(
    house: &House<'_>,
    pair: [usize; 2],
    name: &str,
    entries: Vec<Entry>,
) -> (Vec<Entry>, Vec<Entry>) {
    let is_alike = |entry: &Entry| {
        let mut layouts = pair.into_iter();
        layouts.all(|layout| house.carry.has(layout, name, entry))
    };
    let clears = |entry: &Entry| entry.first || entry.is_padding();
    let fields = entries.iter().filter(|entry| is_field(entry));
    if fields.filter(|entry| is_alike(entry)).count() < SMALLEST_GROUP {
        return (Vec::new(), entries);
    }
    let stands_apart = |entry: &Entry| clears(entry) || is_alike(entry);
    entries.into_iter().partition(stands_apart)
}

/// Path of the function for values of a type: on this page, or among what is carried.
fn path(
    house: &House<'_>,
    from: usize,
    changed: &BTreeMap<String, Changed<'_>>,
    name: &str,
) -> Option<TokenStream> {
    if changed.contains_key(name) {
        let function = ident(&module_name(name));
        return Some(quote!(self::#function));
    }
    house.carry.function_of(from, name)
}

/// The groups all of whose entries are among `entries`.
fn whole<'a>(groups: &'a [Group], entries: &[Entry]) -> Vec<&'a Group> {
    let has = |grouped: &Entry| entries.iter().any(|entry| entry.text == grouped.text);
    let whole = groups.iter().filter(|group| group.entries.iter().all(has));
    whole.collect()
}
