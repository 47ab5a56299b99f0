// SPDX-License-Identifier: Apache-2.0

//! Reads context blocks and writes back what it understood, for tests in other languages.
//!
//! On standard input: a block's size (u32, native byte order), then the block. On standard
//! output, for each: 0 or 1 (u32), a size (u32), and as many bytes: the block written
//! again with the time that is left now, or, after a 1, the field and the message of the refusal.

#![forbid(unsafe_code)]

use std::io::{self, ErrorKind, Read, Write};

use otapbridge_context::{ContextBlock, ProcessingError, RequestContext};
use otapbridge_context_check::Content;

fn main() -> io::Result<()> {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    loop {
        let mut size = [0; 4];
        match input.read_exact(&mut size) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut block = vec![0; u32::from_ne_bytes(size) as usize];
        input.read_exact(&mut block)?;
        let (status, reply): (u32, Vec<u8>) = match mirror(&block) {
            Ok(block) => (0, block.as_bytes().to_vec()),
            Err(error) => {
                let field = error.field().unwrap_or_default();
                (1, format!("{field}: {}", error.message()).into_bytes())
            }
        };
        output.write_all(&status.to_ne_bytes())?;
        output.write_all(&(reply.len() as u32).to_ne_bytes())?;
        output.write_all(&reply)?;
        output.flush()?;
    }
}

fn mirror(block: &[u8]) -> Result<ContextBlock, ProcessingError> {
    let context = RequestContext::new(ContextBlock::copy_from(block)?);
    if context.block().is_empty() {
        return Ok(ContextBlock::empty());
    }
    let mut content = Content::read(&context);
    // As it would leave Rust: by the monotonic clock.
    let now = context.to_block();
    content.deadline = now.deadline_remaining_ns().zip(now.deadline_unix_ns());
    content.write()
}
