package pull

import (
	"cfs/lib/record"
	"cfs/lib/seal"
)

// SignatureRecord returns the record of a digest that is claimed of an image, and right.
func SignatureRecord(s seal.Signature) record.Record {
	mode := "inline"
	if s.Artifact != "" {
		mode = "artifact"
	}
	rec := record.Record{Kind: kindSignature, Digest: s.ID.String(), Keys: []record.Key{
		{Name: keyRole, Value: string(s.Role)}, {Name: keyAlgorithm, Value: seal.AlgorithmName(s.ID.Algorithm())},
		{Name: keyMode, Value: mode}, {Name: keyState, Value: string(s.State)},
	}}
	if s.Signer != "" {
		rec = rec.Set(keySigner, s.Signer)
	}
	return rec
}
