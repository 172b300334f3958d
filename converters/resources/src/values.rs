//! What attributes are.

use crate::attributes::{Attribute, Part, Reader, Writer};
use crate::error::ResourceError;
#[cfg(test)]
use crate::sample::Seed;
use kconv_image::{ObjectId, ResourceId, Value};
use std::collections::BTreeMap;
use std::fmt;

/// A resource of which nothing is known but that there is one.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Bare;

impl Part for Bare {
    fn read(_: &Reader<'_>) -> Result<Bare, ResourceError> {
        Ok(Bare)
    }

    fn write(&self, _: &mut Writer) {}

    #[cfg(test)]
    fn optional(_: &mut Vec<&'static str>) {}

    #[cfg(test)]
    fn sample(_: &mut Seed) -> Bare {
        Bare
    }
}

/// The number of a device.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Device {
    /// The driver's.
    pub major: u32,
    /// That of the device among those of the driver.
    pub minor: u32,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl Attribute for Device {
    fn expected() -> String {
        "the number of a device, MAJOR:MINOR".to_owned()
    }

    fn of(value: &Value) -> Option<Device> {
        let Value::Text(text) = value else {
            return None;
        };
        let (major, minor) = text.split_once(':')?;
        let device = Device {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        };
        // `+8:01` is another text for it.
        (device.to_string() == *text).then_some(device)
    }

    fn value(&self) -> Value {
        Value::Text(self.to_string())
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> Device {
        Device {
            major: source.number() as u32,
            minor: source.number() as u32,
        }
    }
}

/// How many bytes a file has. Images have it with a sign, as kernels do (`loff_t`).
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileSize(u64);

impl FileSize {
    /// The size; `None` if no file is so long.
    pub fn new(bytes: i64) -> Option<FileSize> {
        u64::try_from(bytes).ok().map(FileSize)
    }

    /// The size in bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }
}

impl Attribute for FileSize {
    fn expected() -> String {
        "a signed number, not below 0".to_owned()
    }

    fn of(value: &Value) -> Option<FileSize> {
        match value {
            Value::Signed(bytes) => FileSize::new(*bytes),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        Value::Signed(self.0 as i64)
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> FileSize {
        FileSize(source.number() >> 1)
    }
}

/// A number that has a name, by that; another as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    /// The name.
    Word(String),
    /// The number.
    Number(u64),
}

impl Named {
    /// A number whose name stands in this place of `names`, if it is not empty.
    pub fn new(number: u64, names: &[&str]) -> Named {
        match names.get(number as usize) {
            Some(word) if !word.is_empty() => Named::Word((*word).to_owned()),
            _ => Named::Number(number),
        }
    }
}

impl Attribute for Named {
    fn expected() -> String {
        "a text, or an unsigned number".to_owned()
    }

    fn of(value: &Value) -> Option<Named> {
        match value {
            Value::Text(word) => Some(Named::Word(word.clone())),
            Value::Unsigned(number) => Some(Named::Number(*number)),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        match self {
            Named::Word(word) => Value::Text(word.clone()),
            Named::Number(number) => Value::Unsigned(*number),
        }
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> Named {
        match source.flip() {
            true => Named::Word(source.text()),
            false => Named::Number(source.number()),
        }
    }
}

impl Attribute for u64 {
    fn expected() -> String {
        "an unsigned number".to_owned()
    }

    fn of(value: &Value) -> Option<u64> {
        match value {
            Value::Unsigned(number) => Some(*number),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        Value::Unsigned(*self)
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> u64 {
        source.number()
    }
}

impl Attribute for u32 {
    fn expected() -> String {
        "an unsigned number of 32 bits".to_owned()
    }

    fn of(value: &Value) -> Option<u32> {
        u64::of(value)?.try_into().ok()
    }

    fn value(&self) -> Value {
        Value::Unsigned((*self).into())
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> u32 {
        source.number() as u32
    }
}

impl Attribute for i64 {
    fn expected() -> String {
        "a signed number".to_owned()
    }

    fn of(value: &Value) -> Option<i64> {
        match value {
            Value::Signed(number) => Some(*number),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        Value::Signed(*self)
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> i64 {
        source.number() as i64
    }
}

/// The number of a process, a process group or a session.
impl Attribute for i32 {
    fn expected() -> String {
        "a signed number of 32 bits".to_owned()
    }

    fn of(value: &Value) -> Option<i32> {
        i64::of(value)?.try_into().ok()
    }

    fn value(&self) -> Value {
        Value::Signed((*self).into())
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> i32 {
        source.number() as i32
    }
}

impl Attribute for bool {
    fn expected() -> String {
        "the unsigned number 0 or 1".to_owned()
    }

    fn of(value: &Value) -> Option<bool> {
        match value {
            Value::Unsigned(0) => Some(false),
            Value::Unsigned(1) => Some(true),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        Value::Unsigned((*self).into())
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> bool {
        source.flip()
    }
}

impl Attribute for String {
    fn expected() -> String {
        "a text".to_owned()
    }

    fn of(value: &Value) -> Option<String> {
        match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        Value::Text(self.clone())
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> String {
        source.text()
    }
}

/// Bytes as they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Attribute for Bytes {
    fn expected() -> String {
        "bytes".to_owned()
    }

    fn of(value: &Value) -> Option<Bytes> {
        match value {
            Value::Bytes(bytes) => Some(Bytes(bytes.clone())),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        Value::Bytes(self.0.clone())
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> Bytes {
        Bytes(source.list(|source| source.number() as u8))
    }
}

impl Attribute for ObjectId {
    fn expected() -> String {
        "an object".to_owned()
    }

    fn of(value: &Value) -> Option<ObjectId> {
        match value {
            Value::Object(id) => Some(*id),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        Value::Object(*self)
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> ObjectId {
        ObjectId(source.number() as u32)
    }
}

impl Attribute for ResourceId {
    fn expected() -> String {
        "a resource".to_owned()
    }

    fn of(value: &Value) -> Option<ResourceId> {
        match value {
            Value::Resource(id) => Some(*id),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        Value::Resource(*self)
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> ResourceId {
        ResourceId(source.number() as u32)
    }
}

impl<T: Attribute> Attribute for Vec<T> {
    fn expected() -> String {
        format!("a list, each of it {}", T::expected())
    }

    fn of(value: &Value) -> Option<Vec<T>> {
        match value {
            Value::List(values) => values.iter().map(T::of).collect(),
            _ => None,
        }
    }

    fn value(&self) -> Value {
        Value::List(self.iter().map(T::value).collect())
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> Vec<T> {
        source.list(T::sample)
    }
}

/// Texts by others: a list of lists of two, ascending.
impl Attribute for BTreeMap<String, String> {
    fn expected() -> String {
        "a list, each of it a list of two texts".to_owned()
    }

    fn of(value: &Value) -> Option<BTreeMap<String, String>> {
        let Value::List(values) = value else {
            return None;
        };
        let pair = |value: &Value| match value {
            Value::List(parts) => match parts.as_slice() {
                [Value::Text(key), Value::Text(text)] => Some((key.clone(), text.clone())),
                _ => None,
            },
            _ => None,
        };
        values.iter().map(pair).collect()
    }

    fn value(&self) -> Value {
        let pair = |(key, text): (&String, &String)| Value::List(vec![key.value(), text.value()]);
        Value::List(self.iter().map(pair).collect())
    }

    #[cfg(test)]
    fn sample(source: &mut Seed) -> BTreeMap<String, String> {
        let pairs = source.list(|source| (source.text(), source.text()));
        pairs.into_iter().collect()
    }
}
