"""Use cases: one public function = one thing a person or the clock asks for."""
