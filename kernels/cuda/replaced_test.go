package cuda

// NewWith is New with other PTX than the committed one.
var NewWith = newEngine
