//! What may cross the pipe.
