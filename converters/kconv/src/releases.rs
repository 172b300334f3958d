//! Which kernels a command means.

use crate::failure::Failure;
use crate::installed::Installed;
use kconv_freeze::RunningError;
use kconv_image::{Image, KernelId};
use kconv_machine::{Identified, identify_running, running_release};
use kconv_rules::StepRules;
use kconv_runtime::chain::{find_chain, find_way, way};
use kconv_runtime::table::Converter;
use kernel_structs::layout::{Fingerprint, Layout};
use kernel_structs::releases::{
    LayoutEntry, LayoutId, LookupError, Registry, Release, build_id_digits, is_of_series,
};
use std::collections::BTreeSet;

/// The releases known to this program, those that were added to it among them.
pub(crate) struct Known {
    pub(crate) registry: &'static Registry,
    installed: &'static Installed,
}

impl Known {
    pub(crate) fn new() -> Result<Known, Failure> {
        let installed = Installed::all()?;
        Ok(Known {
            registry: installed.registry,
            installed,
        })
    }

    /// The converters of this program, and those from and to `layouts`, which may have come after it.
    fn linked<'a>(
        &self,
        layouts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<&'static Converter>, Failure> {
        let mut all = kconv_steps::all().to_vec();
        let layouts: BTreeSet<&str> = layouts.into_iter().collect();
        for layout in layouts {
            let plans = self.installed.plans(layout)?.into_iter();
            all.extend(plans.filter(|plan| plan.from.layout != plan.to.layout));
        }
        Ok(all)
    }

    /// What carries everything between releases of the layout `id`.
    fn identity(&self, id: &str) -> Result<Option<&'static Converter>, Failure> {
        let plans = self.installed.plans(id)?;
        let mut own = plans.into_iter();
        let own = own.find(|plan| (plan.from.layout, plan.to.layout) == (id, id));
        Ok(own.or_else(|| kconv_steps::identity(id)))
    }

    /// That `release` is known when the machine has started it, too.
    pub(crate) fn known_at_boot(&self, release: &Release) -> Result<(), Failure> {
        match self.installed.lost_at_boot(&release.layout.0) {
            Some(folder) => Err(Failure::LostAtBoot {
                release: release.name.clone(),
                folder: folder.to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// How many other layouts are reached from the layout `id`.
    pub(crate) fn reached(&self, id: &str) -> Result<usize, Failure> {
        let layouts = self.registry.layouts().map(|layout| layout.id.0.as_str());
        let layouts: Vec<&str> = layouts.collect();
        let linked = self.linked(layouts.iter().copied())?;
        let others = layouts.into_iter().filter(|other| *other != id);
        Ok(others
            .filter(|other| find_chain(&linked, id, other).is_some())
            .count())
    }

    /// The release that `image` is of. One that is not registered is known by its layout.
    pub(crate) fn of_image(&self, image: &Image) -> Result<Release, Failure> {
        let kernel = &image.head().identity.kernel;
        let name = &kernel.release;
        let fingerprint = Fingerprint(kernel.fingerprint.0);
        let older = || Failure::OlderFingerprint {
            image: image.path().to_owned(),
            release: name.clone(),
        };
        if let Ok(release) = self.registry.release(name, None, None) {
            let layout = self.registry.layout_entry(&release.layout)?;
            return match fingerprint == layout.types && fingerprint != layout.fingerprint {
                true => Err(older()),
                false => Ok(release.clone()),
            };
        }
        let layouts = self.registry.layout_by_fingerprint(fingerprint);
        match layouts.first() {
            Some(layout) => Ok(unregistered(name, layout, &kernel.build_id)),
            None if self.registry.layouts_by_types(fingerprint).is_empty() => {
                Err(Failure::UnknownKernel {
                    image: image.path().to_owned(),
                    release: name.clone(),
                })
            }
            None => Err(older()),
        }
    }

    /// The release that `name`, before a conversion of `image`, means: the image's own, if it is of that series.
    pub(crate) fn before(&self, name: &str, image: &Image) -> Result<Release, Failure> {
        let own = self.of_image(image)?;
        let named = self.registry.release(name, None, None);
        match self.for_image(name, image) {
            // A version that is a release's own is no series: 2.4.36 is not 2.4.36.8.
            _ if is_of_series(&own.version, name)
                && matches!(named, Err(LookupError::Series { .. })) =>
            {
                Ok(own)
            }
            // Not the machine is what somebody mistook.
            Err(Failure::Lookup(LookupError::OtherMachine { .. })) => Err(Failure::OtherRelease {
                image: image.path().to_owned(),
                found: own.name,
                expected: name.to_owned(),
            }),
            meant => meant,
        }
    }

    /// The release that `name` means for `image`: without a flavour, the image's own. It may be a
    /// release that is not registered, if that is the image's or is running. A series means the one that is running, if
    /// that is of it.
    pub(crate) fn for_image(&self, name: &str, image: &Image) -> Result<Release, Failure> {
        let own = self.of_image(image)?;
        if own.name == name {
            return Ok(own);
        }
        let machine = image.head().identity.machine.name();
        let found = self
            .registry
            .release(name, Some(&own.flavour), Some(machine));
        match found {
            Ok(release) => Ok(release.clone()),
            Err(_) if running_release().is_ok_and(|running| running == name) => self.running(name),
            Err(error @ LookupError::Series { .. }) => {
                let running = running_release().ok().filter(|it| is_of_series(it, name));
                let running = running.and_then(|running| self.running(&running).ok());
                running.ok_or_else(|| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The release that is running, and calls itself `name`.
    pub(crate) fn running(&self, name: &str) -> Result<Release, Failure> {
        match self.registry.release(name, None, None) {
            Ok(release) => Ok(release.clone()),
            Err(_) => {
                self.as_identified(&identify_running(self.registry).map_err(RunningError::from)?)
            }
        }
    }

    fn as_identified(&self, identified: &Identified) -> Result<Release, Failure> {
        let KernelId {
            release,
            layout,
            build_id,
            ..
        } = &identified.id;
        let layout = self.registry.layout_entry(&LayoutId(layout.clone()))?;
        Ok(unregistered(release, layout, build_id))
    }

    /// The kernel that an image of `release` names.
    pub(crate) fn kernel(&self, release: &Release) -> Result<KernelId, Failure> {
        let layout = self.registry.layout_entry(&release.layout)?;
        Ok(KernelId {
            release: release.name.clone(),
            layout: release.layout.0.clone(),
            fingerprint: kconv_image::Fingerprint(layout.fingerprint.0),
            build_id: release.build_id_bytes(),
        })
    }

    /// The layout of the kernel that `image` is of, which has to be the registered one.
    pub(crate) fn layout_of(&self, image: &Image) -> Result<Layout, Failure> {
        let kernel = &image.head().identity.kernel;
        let release = self.of_image(image)?;
        let registered = self.kernel(&release)?;
        if registered.fingerprint != kernel.fingerprint {
            return Err(Failure::OtherLayout {
                release: kernel.release.clone(),
                found: kernel.fingerprint,
                expected: registered.fingerprint,
            });
        }
        Ok(self.registry.layout(&release.layout)?)
    }

    /// The layout `id`, with each union as its arm in use, as rules speak of it.
    pub(crate) fn live(&self, id: &str) -> Result<Layout, Failure> {
        let id = LayoutId(id.to_owned());
        let family = &self.registry.layout_entry(&id)?.family;
        let map = self.registry.state_map(family)?;
        Ok(map.live(&self.registry.layout(&id)?))
    }

    /// The converters that lead from one release to another.
    pub(crate) fn chain(
        &self,
        from: &Release,
        to: &Release,
    ) -> Result<Vec<&'static Converter>, Failure> {
        let layouts = [&from.layout.0, &to.layout.0].map(String::as_str);
        let linked = self.linked(layouts)?;
        let [before, after] = layouts;
        find_chain(&linked, before, after).ok_or_else(|| Failure::NoPath {
            from: from.name.clone(),
            from_layout: from.layout.0.clone(),
            to: to.name.clone(),
            to_layout: to.layout.0.clone(),
        })
    }

    /// What takes `image` to another release, by [`find_way`] and [`way`].
    pub(crate) fn way(
        &self,
        image: &Image,
        to: &Release,
    ) -> Result<Vec<&'static Converter>, Failure> {
        let (head, target) = (image.head(), self.kernel(to)?);
        let been = head.provenance.iter().map(|step| &step.from);
        let been = been.chain([&head.identity.kernel, &target]);
        let linked = self.linked(been.map(|kernel| kernel.layout.as_str()))?;
        let chain = match find_way(&linked, head, &target) {
            Some(chain) => chain,
            None => self.chain(&self.of_image(image)?, to)?,
        };
        let identity = self.identity(&to.layout.0)?;
        Ok(way(head, chain, identity, &target))
    }

    /// What takes an image from one release to another: the converters that lead there, or, between
    /// releases of one layout, the one that carries everything and resets what has to be.
    pub(crate) fn converters(
        &self,
        from: &Release,
        to: &Release,
    ) -> Result<Vec<&'static Converter>, Failure> {
        let chain = self.chain(from, to)?;
        Ok(match chain.is_empty() {
            true => self.identity(&from.layout.0)?.into_iter().collect(),
            false => chain,
        })
    }

    /// The rules of [`Known::converters`], step by step.
    pub(crate) fn rules(&self, from: &Release, to: &Release) -> Result<Vec<StepRules>, Failure> {
        let converters = self.converters(from, to)?;
        Ok(converters.iter().map(|step| step.rules()).collect())
    }

    /// The pairs of releases that two names without an image mean: for names without a flavour
    /// one pair for each flavour that both have.
    pub(crate) fn pairs(&self, from: &str, to: &str) -> Result<Vec<(&Release, &Release)>, Failure> {
        let mut pairs = Vec::new();
        for flavour in self.registry.flavours() {
            let from = self.registry.release(from, Some(flavour), None);
            let to = self.registry.release(to, Some(flavour), None);
            if let (Ok(from), Ok(to)) = (from, to)
                && !pairs.contains(&(from, to))
            {
                pairs.push((from, to));
            }
        }
        if pairs.is_empty() {
            // One that no flavour has is to blame, also if the other one is ambiguous.
            let is_known = |name: &str| {
                let mut flavours = self.registry.flavours().into_iter();
                flavours.any(|flavour| self.registry.release(name, Some(flavour), None).is_ok())
            };
            for name in [from, to].into_iter().filter(|name| !is_known(name)) {
                self.registry.release(name, None, None)?;
            }
            self.registry.release(from, None, None)?;
            self.registry.release(to, None, None)?;
        }
        Ok(pairs)
    }
}

/// A release that the table does not have, by the name and the build id that it says and by the
/// layout that it has.
fn unregistered(name: &str, layout: &LayoutEntry, build_id: &[u8]) -> Release {
    let digits = build_id_digits(build_id);
    Release {
        name: name.to_owned(),
        version: name.to_owned(),
        arch: layout.arch.clone(),
        flavour: layout.flavour.clone(),
        layout: layout.id.clone(),
        uname: None,
        build_id: (!digits.is_empty()).then_some(digits),
        hz: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    /// Between any two layouts of one machine and family there is a chain, and no converter is there
    /// for nothing: without any one of them some way is longer, or there is none. A longer way can
    /// lose what a kernel on it does not have.
    #[test]
    fn chains_lead_from_every_layout_to_every_other() {
        let known = Known::new().unwrap();
        let mut pairs = Vec::new();
        for from in known.registry.layouts() {
            for to in known.registry.layouts() {
                if from.family == to.family && from.arch == to.arch {
                    pairs.push((from.id.0.as_str(), to.id.0.as_str()));
                }
            }
        }
        assert_eq!(pairs.len(), 4 * 4 + 31 * 31 + 3 * 3);
        let lengths = |converters: &[&'static Converter]| -> Vec<Option<usize>> {
            let ways = pairs
                .iter()
                .map(|(from, to)| find_chain(converters, from, to));
            ways.map(|way| way.map(|way| way.len())).collect()
        };
        let linked = kconv_steps::all().to_vec();
        let all = lengths(&linked);
        assert!(!all.contains(&None), "{all:?}");
        for index in 0..linked.len() {
            let mut fewer = linked.clone();
            let away = fewer.remove(index);
            assert_ne!(lengths(&fewer), all, "{} is not needed", away.name);
        }
    }

    #[test]
    fn versions_mean_the_newest_build_of_every_flavour_that_both_have() {
        let known = Known::new().unwrap();
        let names: Vec<(&str, &str)> = known
            .pairs("6.1.192", "6.12.117")
            .unwrap()
            .into_iter()
            .map(|(from, to)| (from.name.as_str(), to.name.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("6.1.0-57-amd64", "6.12.117+deb12-amd64"),
                ("6.1.0-57-cloud-amd64", "6.12.117+deb12-cloud-amd64"),
                ("6.1.0-57-rt-amd64", "6.12.117+deb12-rt-amd64"),
            ]
        );
    }
}
