//! QEMU's machine protocol, QMP: one JSON object a line (docs/interop/qmp-spec.txt of QEMU).

use crate::{Error, LIMIT};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

/// The connection to QEMU.
#[derive(Debug)]
pub(crate) struct Monitor {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Monitor {
    pub(crate) fn new(stream: UnixStream) -> Result<Monitor, Error> {
        let broken = |error: std::io::Error| Error::Monitor(error.to_string());
        // A dump of the memory is written while the answer is waited for.
        stream.set_read_timeout(Some(LIMIT)).map_err(broken)?;
        let lines = BufReader::new(stream.try_clone().map_err(broken)?);
        let mut monitor = Monitor { stream, lines };
        monitor.line()?;
        monitor.execute("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    fn line(&mut self) -> Result<Value, Error> {
        let mut line = String::new();
        match self.lines.read_line(&mut line) {
            Ok(0) => Err(Error::Monitor("the connection is closed".to_owned())),
            Ok(_) => serde_json::from_str(&line).map_err(|error| Error::Monitor(error.to_string())),
            Err(error) => Err(Error::Monitor(error.to_string())),
        }
    }

    /// What a command returns.
    pub(crate) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, Error> {
        let request = json!({ "execute": command, "arguments": arguments });
        writeln!(self.stream, "{request}").map_err(|error| Error::Monitor(error.to_string()))?;
        loop {
            let mut answer = self.line()?;
            if let Some(error) = answer.get("error") {
                return Err(Error::Monitor(format!("{command}: {}", error["desc"])));
            }
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
            // Anything else is an event that nobody waits for.
        }
    }
}
