//! A program on a host, which may be dead for the time being.

use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use zerocache_interop::{Failure, Outcome};

#[derive(Default)]
pub(crate) struct Program(Option<Child>);

impl Program {
    /// Starts it, after [`Self::kill`] again.
    pub(crate) fn start(&mut self, mut command: Command) -> Outcome {
        self.0 = Some(command.spawn()?);
        Ok(())
    }

    /// Ends it without a word, and reaps it.
    pub(crate) fn kill(&mut self) -> Outcome {
        if let Some(mut child) = self.0.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGSTOP or SIGCONT.
    pub(crate) fn pause(&self, paused: bool) -> Outcome {
        let child = self.0.as_ref();
        let pid = child.and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        let pid = pid.ok_or_else(|| Failure::new("no process to pause"))?;
        kill_process(pid, if paused { Signal::STOP } else { Signal::CONT })?;
        Ok(())
    }

    /// How it ended by itself, if it did.
    pub(crate) fn ended(&mut self) -> Outcome<Option<ExitStatus>> {
        match &mut self.0 {
            Some(child) => Ok(child.try_wait()?),
            None => Ok(None),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}
