//! The host's end of the agent's frames (guest/agent.c), each a letter, a length and a payload.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Longest answer that is believed: the memory of a guest is smaller.
const LONGEST: u64 = 4 << 30;

/// A frame from the agent.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) letter: u8,
    pub(crate) payload: Vec<u8>,
}

/// The connection to the agent.
#[derive(Debug)]
pub(crate) struct Channel {
    stream: UnixStream,
}

impl Channel {
    pub(crate) fn new(stream: UnixStream) -> Channel {
        Channel { stream }
    }

    /// Sends a request. The parts are its payload.
    pub(crate) fn send(&mut self, letter: u8, parts: &[&[u8]], end: Instant) -> io::Result<()> {
        let size: usize = parts.iter().map(|part| part.len()).sum();
        let mut head = vec![letter];
        head.extend_from_slice(&(size as u64).to_le_bytes());
        self.stream.set_write_timeout(Some(left(end)?))?;
        self.stream.write_all(&head)?;
        for part in parts {
            self.stream.write_all(part)?;
        }
        Ok(())
    }

    /// The next frame; a time-out if it is not whole at `end`.
    pub(crate) fn receive(&mut self, end: Instant) -> io::Result<Frame> {
        let head = self.exactly(9, end)?;
        let mut size = [0; 8];
        size.copy_from_slice(&head[1..]);
        let size = u64::from_le_bytes(size);
        if size > LONGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("an answer of {size} bytes"),
            ));
        }
        Ok(Frame {
            letter: head[0],
            payload: self.exactly(size, end)?,
        })
    }

    fn exactly(&mut self, size: u64, end: Instant) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut block = vec![0; 1 << 16];
        while (bytes.len() as u64) < size {
            self.stream.set_read_timeout(Some(left(end)?))?;
            let most = (size - bytes.len() as u64).min(block.len() as u64) as usize;
            match self.stream.read(&mut block[..most]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(got) => bytes.extend_from_slice(&block[..got]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(bytes)
    }
}

fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}
