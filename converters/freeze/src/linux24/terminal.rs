//! Terminals.

use super::Linux24;
use super::files::device;
use crate::error::Fault;
use kconv_image::KernelAddr;
use kconv_resources::Named;
use kconv_resources::linux24::Terminal;

/// `TTY_DRIVER_TYPE_*` of `include/linux/tty_driver.h`.
const DRIVER_TYPES: [&str; 6] = ["", "system", "console", "serial", "pty", "scc"];

impl Linux24<'_> {
    /// A controlling terminal.
    pub(super) fn tty(&self, at: KernelAddr) -> Result<Terminal, Fault> {
        let memory = self.walked.memory;
        let tty = memory.read("tty_struct", at)?;
        let text = |field: &str| -> Result<Option<String>, Fault> {
            let text = tty.pointer(field)?;
            Ok(text.and_then(|text| memory.text(text, 64)))
        };
        let number = tty.unsigned("device")?;
        Ok(Terminal {
            driver: text("driver.driver_name")?,
            name: text("driver.name")?,
            driver_type: Named::new(tty.unsigned("driver.type")?, &DRIVER_TYPES),
            device: device(number),
            index: (number & 0xff) as i64 - tty.signed("driver.minor_start")?,
            pgrp: tty.signed("pgrp")?,
            session: tty.signed("session")?,
            rows: tty.unsigned("winsize.ws_row")?,
            columns: tty.unsigned("winsize.ws_col")?,
        })
    }
}
