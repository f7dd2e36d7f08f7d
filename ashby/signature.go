package ashby

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// SignatureHeader is the header of a webhook that carries its signature.
const SignatureHeader = "Ashby-Signature"

const signaturePrefix = "sha256="

// Sign returns the value of the header Ashby-Signature for a body: "sha256=" and the hexadecimal HMAC-SHA256 of the
// raw bytes.
//
// https://developers.ashbyhq.com/docs/authenticating-webhooks
func Sign(body []byte, secret Secret) string {
	return signaturePrefix + hex.EncodeToString(mac(body, secret))
}

// VerifySignature says whether header is the signature of body under one of the secrets. The time it takes depends on
// the body and the number of secrets alone: every secret is tried, and where there is none, or the header cannot be
// right, an HMAC is computed all the same. An empty secret verifies nothing.
func VerifySignature(body []byte, header string, secrets ...Secret) bool {
	given, err := hex.DecodeString(strings.TrimPrefix(header, signaturePrefix))
	plausible := err == nil && strings.HasPrefix(header, signaturePrefix) && len(given) == sha256.Size
	if len(secrets) == 0 {
		secrets = []Secret{""}
	}
	valid := false
	for _, s := range secrets {
		equal := hmac.Equal(mac(body, s), given)
		valid = valid || equal && s != ""
	}
	return valid && plausible
}

func mac(body []byte, secret Secret) []byte {
	h := hmac.New(sha256.New, []byte(secret.Reveal()))
	h.Write(body)
	return h.Sum(nil)
}
