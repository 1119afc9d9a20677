package helm

// SetLimit makes the store treat records as large that are not, so that tests need not make large ones.
func (s *Store) SetLimit(bytes int) { s.limit = bytes }
