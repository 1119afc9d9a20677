package expr

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// digests are the functions sha256(text) and sha512(text), in hexadecimal digits: for providers that keep passwords and marks
// as digests.
func digests() []cel.EnvOption {
	return []cel.EnvOption{
		digest("sha256", func(text string) string { sum := sha256.Sum256([]byte(text)); return hex.EncodeToString(sum[:]) }),
		digest("sha512", func(text string) string { sum := sha512.Sum512([]byte(text)); return hex.EncodeToString(sum[:]) }),
	}
}

func digest(name string, of func(string) string) cel.EnvOption {
	return cel.Function(name, cel.Overload(name+"_string", []*cel.Type{cel.StringType}, cel.StringType, cel.UnaryBinding(func(value ref.Val) ref.Val {
		text, ok := value.(types.String)
		if !ok {
			return types.MaybeNoSuchOverloadErr(value)
		}
		return types.String(of(string(text)))
	})))
}
