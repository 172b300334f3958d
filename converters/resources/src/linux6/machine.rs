//! What is known of the machine.

use crate::attributes::{Part, Reader};
use crate::error::ResourceError;
use crate::kind::written;
use kconv_image::Value;

attributes! {
    /// The machine that the tasks ran on: what stands first among the facts of an image.
    pub struct Machine {
        /// The size of a page.
        page_size: u64 = "page-size",
        /// For how long it had been suspended.
        suspended: Suspended = ..,
        /// Its CPU.
        cpu: Cpu = ..,
    }
}

attributes! {
    /// What CLOCK_MONOTONIC does not count.
    pub struct Suspended {
        /// By how many nanoseconds CLOCK_BOOTTIME was ahead of it.
        nanoseconds: i64 = "suspended-nanoseconds",
    }
}

attributes! {
    /// A CPU (`arch/x86/include/asm/processor.h`: struct cpuinfo_x86).
    pub struct Cpu {
        /// Its family.
        family: u64 = "cpu-family",
        /// The number that the kernel has for its vendor.
        vendor: u64 = "cpu-vendor",
        /// Its model.
        model: u64 = "cpu-model-number",
        /// Its stepping.
        stepping: u64 = "cpu-stepping",
        /// What it can do: words of `X86_FEATURE_*` bits.
        capabilities: Vec<u64> = "cpu-capabilities",
    }
}

impl Suspended {
    /// Reads it out of the facts of an image.
    ///
    /// # Errors
    /// If it is missing, or not what it should be.
    pub fn read(facts: &[(String, Value)]) -> Result<Suspended, ResourceError> {
        Part::read(&reader(facts))
    }
}

impl Cpu {
    /// Reads it out of the facts of an image.
    ///
    /// # Errors
    /// If one is missing, or not what it should be.
    pub fn read(facts: &[(String, Value)]) -> Result<Cpu, ResourceError> {
        Part::read(&reader(facts))
    }
}

fn reader(facts: &[(String, Value)]) -> Reader<'_> {
    Reader::named("the machine".to_owned(), facts)
}

impl Machine {
    /// Reads it out of the facts of an image, among which there are others.
    ///
    /// # Errors
    /// If one is missing, or not what it should be.
    pub fn read(facts: &[(String, Value)]) -> Result<Machine, ResourceError> {
        Part::read(&reader(facts))
    }

    /// The facts.
    pub fn facts(&self) -> Vec<(String, Value)> {
        written(self)
    }
}
