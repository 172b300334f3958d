//! Terminals.

use super::{Linux6, required};
use crate::error::Fault;
use crate::resources::Attributes;
use kconv_image::{KernelAddr, Resource, Value};

impl Linux6<'_> {
    /// A controlling terminal.
    pub(super) fn tty(&self, at: KernelAddr) -> Result<Resource, Fault> {
        let memory = self.walked.memory;
        let tty = memory.read("tty_struct", at)?;
        let driver = memory.read("tty_driver", required(&tty, "tty_struct", "driver")?)?;
        let mut attributes = Attributes::default();
        for (attribute, field) in [("driver", "driver_name"), ("driver-prefix", "name")] {
            let text = driver.pointer(field)?;
            if let Some(text) = text.and_then(|text| memory.text(text, 64)) {
                attributes.text(attribute, text);
            }
        }
        attributes.text("name", tty.text("name")?);
        let index = tty.signed("index")?;
        let minor = driver.signed("minor_start")?.saturating_add(index);
        attributes.text("device", format!("{}:{minor}", driver.unsigned("major")?));
        attributes.signed("index", index);
        for (attribute, field) in [("pgrp", "ctrl.pgrp"), ("session", "ctrl.session")] {
            attributes.signed(attribute, self.pid_number(tty.pointer(field)?)?);
        }
        attributes.unsigned("rows", tty.unsigned("winsize.ws_row")?);
        attributes.unsigned("columns", tty.unsigned("winsize.ws_col")?);
        attributes.put("termios", Value::Bytes(tty.slice("termios")?.to_vec()));
        Ok(attributes.resource("tty", at))
    }
}
