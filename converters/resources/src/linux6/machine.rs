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
        /// By how many nanoseconds CLOCK_BOOTTIME was ahead of CLOCK_MONOTONIC.
        suspended: i64 = "suspended-nanoseconds",
        /// Its CPU.
        cpu: Cpu = ..,
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

impl Machine {
    /// Reads it out of the facts of an image, among which there are others.
    ///
    /// # Errors
    /// If one is missing, or not what it should be.
    pub fn read(facts: &[(String, Value)]) -> Result<Machine, ResourceError> {
        Part::read(&Reader::named("the machine".to_owned(), facts))
    }

    /// The facts.
    pub fn facts(&self) -> Vec<(String, Value)> {
        written(self)
    }
}
