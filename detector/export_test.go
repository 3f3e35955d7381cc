package detector

// NewEngineOf returns an engine with a window of its own.
var NewEngineOf = newEngine
