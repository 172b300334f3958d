//! Attributes by name: how they are looked up, and how they are put in.

use crate::error::{Found, ResourceError, name_of};
use kconv_image::{Resource, Value};
use std::cell::RefCell;
use std::collections::BTreeSet;

/// Something that an attribute can be.
pub(crate) trait Attribute: Sized {
    /// What it is called where another thing was found.
    fn expected() -> String;

    /// It, out of a value; `None` if the value is not one.
    fn of(value: &Value) -> Option<Self>;

    /// The value of it.
    fn value(&self) -> Value;

    /// One of them at random.
    #[cfg(test)]
    fn sample(source: &mut crate::sample::Seed) -> Self;
}

/// An attribute in its place: required, or an `Option`.
pub(crate) trait Field: Sized {
    #[cfg(test)]
    const IS_OPTIONAL: bool;
    fn read(from: &Reader<'_>, name: &'static str) -> Result<Self, ResourceError>;
    fn write(&self, to: &mut Writer, name: &'static str);
    #[cfg(test)]
    fn sample(source: &mut crate::sample::Seed) -> Self;
}

impl<T: Attribute> Field for T {
    #[cfg(test)]
    const IS_OPTIONAL: bool = false;

    fn read(from: &Reader<'_>, name: &'static str) -> Result<T, ResourceError> {
        from.required(name)
    }

    fn write(&self, to: &mut Writer, name: &'static str) {
        to.put(name, self);
    }

    #[cfg(test)]
    fn sample(source: &mut crate::sample::Seed) -> T {
        Attribute::sample(source)
    }
}

impl<T: Attribute> Field for Option<T> {
    #[cfg(test)]
    const IS_OPTIONAL: bool = true;

    fn read(from: &Reader<'_>, name: &'static str) -> Result<Option<T>, ResourceError> {
        from.optional(name)
    }

    fn write(&self, to: &mut Writer, name: &'static str) {
        if let Some(value) = self {
            to.put(name, value);
        }
    }

    #[cfg(test)]
    fn sample(source: &mut crate::sample::Seed) -> Option<T> {
        source.maybe(Attribute::sample)
    }
}

/// Several attributes that are known together.
pub(crate) trait Part: Sized {
    fn read(from: &Reader<'_>) -> Result<Self, ResourceError>;
    fn write(&self, to: &mut Writer);

    /// Adds the names of those that may be absent, whatever the others are.
    #[cfg(test)]
    fn optional(names: &mut Vec<&'static str>);

    #[cfg(test)]
    fn sample(source: &mut crate::sample::Seed) -> Self;
}

/// Attributes that are all there or all absent.
pub(crate) trait Together: Part {
    /// Their names.
    const NAMES: &'static [&'static str];
}

impl<T: Together> Part for Option<T> {
    fn read(from: &Reader<'_>) -> Result<Option<T>, ResourceError> {
        match T::NAMES.iter().any(|name| from.has(name)) {
            true => T::read(from).map(Some),
            false => Ok(None),
        }
    }

    fn write(&self, to: &mut Writer) {
        if let Some(part) = self {
            part.write(to);
        }
    }

    #[cfg(test)]
    fn optional(names: &mut Vec<&'static str>) {
        T::optional(names);
    }

    #[cfg(test)]
    fn sample(source: &mut crate::sample::Seed) -> Option<T> {
        source.maybe(Part::sample)
    }
}

/// Attributes that are read. It notes which were asked for.
pub(crate) struct Reader<'r> {
    name: String,
    attributes: &'r [(String, Value)],
    asked: RefCell<BTreeSet<&'static str>>,
}

impl<'r> Reader<'r> {
    /// Those of a resource.
    pub(crate) fn of(resource: &'r Resource) -> Reader<'r> {
        Reader::named(name_of(resource), &resource.attributes)
    }

    /// Those of something that is called so.
    pub(crate) fn named(name: String, attributes: &'r [(String, Value)]) -> Reader<'r> {
        Reader {
            name,
            attributes,
            asked: RefCell::default(),
        }
    }

    /// Whether there is an attribute of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|(key, _)| key == name)
    }

    /// An attribute that has to be there.
    pub(crate) fn required<T: Attribute>(&self, name: &'static str) -> Result<T, ResourceError> {
        let value = self.optional(name)?;
        value.ok_or_else(|| self.missing::<T>(name))
    }

    /// An attribute that may be absent.
    pub(crate) fn optional<T: Attribute>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, ResourceError> {
        self.asked.borrow_mut().insert(name);
        let mut values = self.attributes.iter().filter(|(key, _)| key == name);
        let Some((_, value)) = values.next() else {
            return Ok(None);
        };
        // A freeze of an earlier version gave a FIFO its inode twice.
        if values.any(|(_, other)| other != value) {
            return Err(self.wrong(name, "two values", "one"));
        }
        let read = T::of(value);
        let read = read.ok_or_else(|| self.wrong(name, Found(value).to_string(), T::expected()));
        read.map(Some)
    }

    /// That an attribute is not there.
    pub(crate) fn missing<T: Attribute>(&self, name: &'static str) -> ResourceError {
        self.wrong(name, "none", T::expected())
    }

    /// That an attribute is not what it should be.
    pub(crate) fn wrong(
        &self,
        name: &str,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> ResourceError {
        ResourceError {
            resource: format!("attribute `{name}` of {}", self.name),
            attribute: Some(name.to_owned()),
            found: found.into(),
            expected: expected.into(),
        }
    }

    /// That there is no attribute which nobody asked for: it would be lost in silence.
    pub(crate) fn finish(&self) -> Result<(), ResourceError> {
        let asked = self.asked.borrow();
        let mut names = self.attributes.iter().map(|(name, _)| name.as_str());
        match names.find(|name| !asked.contains(name)) {
            Some(name) => Err(self.wrong(
                name,
                "one",
                "none: this version of kconv does not know it there",
            )),
            None => Ok(()),
        }
    }
}

/// Attributes that are written, in their order.
#[derive(Default)]
pub(crate) struct Writer(pub(crate) Vec<(String, Value)>);

impl Writer {
    pub(crate) fn put(&mut self, name: &'static str, value: &impl Attribute) {
        self.0.push((name.to_owned(), value.value()));
    }

    /// Puts one behind that of the name `before`, where images have had it since the first.
    pub(crate) fn put_after(
        &mut self,
        before: &'static str,
        name: &'static str,
        value: &impl Attribute,
    ) {
        let place = self.0.iter().position(|(name, _)| name == before);
        let place = place.map_or(self.0.len(), |place| place + 1);
        self.0.insert(place, (name.to_owned(), value.value()));
    }
}
