//! What only `sshoal` has: its errors, its flags, scripts that misbehave.
