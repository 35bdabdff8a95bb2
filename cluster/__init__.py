"""Where the stages run when one machine is not enough: shared storage, and an engine that places tasks on nodes."""
