//! Terminals.

use super::Linux24;
use super::files::{device, named};
use crate::error::Fault;
use crate::resources::Attributes;
use kconv_image::{KernelAddr, Resource};

/// `TTY_DRIVER_TYPE_*` of `include/linux/tty_driver.h`.
const DRIVER_TYPES: [&str; 6] = ["", "system", "console", "serial", "pty", "scc"];

impl Linux24<'_> {
    /// A controlling terminal.
    pub(super) fn tty(&self, at: KernelAddr) -> Result<Resource, Fault> {
        let memory = self.walked.memory;
        let tty = memory.read("tty_struct", at)?;
        let mut attributes = Attributes::default();
        for (attribute, field) in [("driver", "driver.driver_name"), ("name", "driver.name")] {
            let text = tty.pointer(field)?.and_then(|text| memory.text(text, 64));
            if let Some(text) = text {
                attributes.text(attribute, text);
            }
        }
        let number = tty.unsigned("device")?;
        named(
            &mut attributes,
            "driver-type",
            tty.unsigned("driver.type")?,
            &DRIVER_TYPES,
        );
        attributes.text("device", device(number));
        attributes.signed(
            "index",
            (number & 0xff) as i64 - tty.signed("driver.minor_start")?,
        );
        attributes.signed("pgrp", tty.signed("pgrp")?);
        attributes.signed("session", tty.signed("session")?);
        attributes.unsigned("rows", tty.unsigned("winsize.ws_row")?);
        attributes.unsigned("columns", tty.unsigned("winsize.ws_col")?);
        Ok(attributes.resource("tty", at))
    }
}
