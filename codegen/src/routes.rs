//! The steps that there are, and the ways between layouts that they make.

mod broken;

pub use broken::Broken;

use crate::chain::{self, Difference, Opened};
use crate::generate::{self, End, GenerateError};
use crate::overrides::{self, Changes, Overrides, OverridesFile};
use crate::plan::{Pair, Plan};
use crate::steps::{StepFile, Steps};
use kernel_structs::releases::{LayoutId, Registry};
use kernel_structs::state::StateMap;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// All steps of a folder.
pub struct Routes<'a> {
    registry: &'a Registry,
    /// The decisions of all families.
    folder: PathBuf,
    files: Vec<OverridesFile>,
    edges: Vec<Edge>,
    ends: RefCell<BTreeMap<String, Rc<End<'a>>>>,
    families: RefCell<BTreeMap<String, Rc<(StateMap, Changes)>>>,
}

/// A pair of layouts that a step converts between.
pub struct Edge {
    /// The step's folder.
    pub dir: PathBuf,
    /// The number of its file.
    file: usize,
    /// The layout read.
    pub from: LayoutId,
    /// The layout written.
    pub to: LayoutId,
    /// The releases that the pair is named after.
    pub releases: (String, String),
}

impl<'a> Routes<'a> {
    /// The steps in the folder `converters`; none if there is no such folder.
    ///
    /// # Errors
    /// If a step cannot be read or names a release that is not known.
    pub fn read(registry: &'a Registry, converters: &Path) -> Result<Routes<'a>, GenerateError> {
        let mut routes = Routes {
            registry,
            folder: converters.join(overrides::FOLDER),
            files: Vec::new(),
            edges: Vec::new(),
            ends: RefCell::default(),
            families: RefCell::default(),
        };
        let read = Steps::read(registry, converters)?;
        if !read.wrong.is_empty() {
            return Err(GenerateError::Steps(generate::of_steps(read.wrong)));
        }
        for StepFile { dir, file, .. } in read.files {
            for pair in &file.pairs {
                let layout = |name: &str| -> Result<LayoutId, GenerateError> {
                    Ok(registry.release(name, None, None)?.layout.clone())
                };
                routes.edges.push(Edge {
                    dir: dir.clone(),
                    file: routes.files.len(),
                    from: layout(&pair.from)?,
                    to: layout(&pair.to)?,
                    releases: (pair.from.clone(), pair.to.clone()),
                });
            }
            routes.files.push(file);
        }
        Ok(routes)
    }

    /// What people wrote for the step of `edge`.
    pub fn file(&self, edge: &Edge) -> &OverridesFile {
        &self.files[edge.file]
    }

    /// The step that converts one layout to another, if there is one.
    pub fn edge(&self, from: &LayoutId, to: &LayoutId) -> Option<&Edge> {
        let mut edges = self.edges.iter();
        edges.find(|edge| edge.from == *from && edge.to == *to)
    }

    /// The shortest way between two layouts; of several, the first by the names of the steps.
    /// `kconv` goes the same way. `None` if there is none.
    pub fn way(&self, from: &LayoutId, to: &LayoutId) -> Option<Vec<&Edge>> {
        let mut reached: BTreeMap<&LayoutId, Option<&Edge>> = BTreeMap::from([(from, None)]);
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            for edge in self.edges.iter().filter(|edge| edge.from == *node) {
                if !reached.contains_key(&edge.to) {
                    reached.insert(&edge.to, Some(edge));
                    queue.push_back(&edge.to);
                }
            }
        }
        let mut way = Vec::new();
        let mut node = to;
        while let Some(edge) = *reached.get(node)? {
            way.push(edge);
            node = &edge.from;
        }
        way.reverse();
        Some(way)
    }

    /// What the ways between the layouts of two releases each do to fields in another way than a
    /// direct conversion would; nothing where there is no way, or one step is all of it.
    ///
    /// # Errors
    /// If a layout or a decision cannot be read.
    pub fn differences(
        &self,
        pairs: &[(&str, &str)],
    ) -> Result<Vec<Vec<Difference>>, GenerateError> {
        let mut steps: BTreeMap<&(String, String), Plan> = BTreeMap::new();
        let mut ways = Vec::new();
        for (from, to) in pairs {
            let layout = |name: &str| self.registry.release(name, None, None);
            let way = self.way(&layout(from)?.layout, &layout(to)?.layout);
            let way = way.filter(|way| way.len() > 1).unwrap_or_default();
            for edge in &way {
                let (from, to) = &edge.releases;
                if !steps.contains_key(&edge.releases) {
                    let plan = self.plan((from, to), Some(edge.file))?;
                    steps.insert(&edge.releases, plan);
                }
            }
            ways.push(way);
        }
        let opened: BTreeMap<_, Opened<'_>> = steps
            .iter()
            .map(|(releases, plan)| (*releases, Opened::of(plan)))
            .collect();
        let mut all = Vec::new();
        for ((from, to), way) in pairs.iter().zip(ways) {
            if way.is_empty() {
                all.push(Vec::new());
                continue;
            }
            let chain: Vec<&Opened<'_>> = way
                .iter()
                .filter_map(|edge| opened.get(&edge.releases))
                .collect();
            let direct = self.plan((from, to), None)?;
            let first = self.end(from)?;
            let first = self.family(first.family)?.0.live(&first.layout);
            all.push(chain::differences(&direct, &chain, &first));
        }
        Ok(all)
    }

    /// The step that does, before or behind a conversion between the releases of `other`, what a
    /// conversion between those of `pair` does; `None` if there is none, or if something would become
    /// of a bit on the way that does not with one conversion.
    ///
    /// # Errors
    /// If a layout or a decision cannot be read.
    pub fn detour(
        &self,
        pair: (&str, &str),
        other: (&str, &str),
    ) -> Result<Option<&Edge>, GenerateError> {
        let layout = |name: &str| self.registry.release(name, None, None);
        let (from, to) = (&layout(pair.0)?.layout, &layout(pair.1)?.layout);
        let (other_from, other_to) = (&layout(other.0)?.layout, &layout(other.1)?.layout);
        let (before, missing) = match (from == other_from, to == other_to) {
            (false, true) => (true, (from, other_from)),
            (true, false) => (false, (other_to, to)),
            (true, true) | (false, false) => return Ok(None),
        };
        let mut edges = self.edges.iter();
        let Some(edge) = edges.find(|edge| (&edge.from, &edge.to) == missing) else {
            return Ok(None);
        };
        let (step_from, step_to) = &edge.releases;
        let step = self.plan((step_from, step_to), Some(edge.file))?;
        let rest = self.plan(other, None)?;
        let direct = self.plan(pair, None)?;
        let (step, rest) = (Opened::of(&step), Opened::of(&rest));
        let chain = match before {
            true => [&step, &rest],
            false => [&rest, &step],
        };
        let first = self.end(pair.0)?;
        let first = self.family(first.family)?.0.live(&first.layout);
        let alike = chain::differences(&direct, &chain, &first).is_empty();
        Ok(alike.then_some(edge))
    }

    /// A release with its layout, which is read once.
    fn end(&self, name: &str) -> Result<Rc<End<'a>>, GenerateError> {
        if let Some(known) = self.ends.borrow().get(name) {
            return Ok(Rc::clone(known));
        }
        let end = Rc::new(generate::end(self.registry, name)?);
        let mut ends = self.ends.borrow_mut();
        Ok(Rc::clone(ends.entry(name.to_owned()).or_insert(end)))
    }

    fn family(&self, name: &str) -> Result<Rc<(StateMap, Changes)>, GenerateError> {
        if let Some(known) = self.families.borrow().get(name) {
            return Ok(Rc::clone(known));
        }
        let map = self.registry.state_map(name)?;
        let family = Rc::new((map, Changes::read(&self.folder, name)?));
        let mut families = self.families.borrow_mut();
        Ok(Rc::clone(families.entry(name.to_owned()).or_insert(family)))
    }

    /// The plan between two releases, with the decisions of the step number `step`.
    fn plan(&self, (from, to): (&str, &str), step: Option<usize>) -> Result<Plan, GenerateError> {
        let (from, to) = (self.end(from)?, self.end(to)?);
        let family = self.family(from.family)?;
        let (map, changes) = &*family;
        let own = step.and_then(|step| self.files.get(step));
        let own = own.map_or_else(Overrides::default, |file| file.overrides.clone());
        let made = Plan::make(&Pair {
            converter: "chain",
            machine: &from.release.arch,
            from: from.side(),
            to: to.side(),
            map,
            overrides: &generate::decided(&own, changes, (&from, &to)).0,
        });
        Ok(made.plan)
    }
}
