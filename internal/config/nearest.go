package config

// suggestion names the known variable that an unknown one most likely was meant to be.
func suggestion(name string, known map[string]bool) string {
	best, distance := "", 4 // a third of a typical name; further away is another word
	for candidate := range known {
		d := editDistance(name, candidate)
		if d < distance || d == distance && best != "" && candidate < best {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ": remove it"
	}
	return ": did you mean " + best + "?"
}

// editDistance counts the characters to insert, delete or exchange to make b of a (Levenshtein's distance).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(row[j]+1, row[j+1]+1, substitute)
		}
	}
	return row[len(b)]
}
