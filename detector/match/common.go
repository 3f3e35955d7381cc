package match

import "strings"

// commonness is how common a window is in the texts that agents and servers exchange, roughly: a
// window of a common word is; else the letters, digits and signs say.
func commonness(window string) int {
	sum := 0
	if strings.Contains(commonWords, window) {
		sum = 64
	}
	for i := range len(window) {
		switch c := window[i]; {
		case c == ' ', 'a' <= c && c <= 'z':
			sum += 2
		case '0' <= c && c <= '9', strings.IndexByte(".,:\"/-_\n", c) >= 0:
			sum++
		}
	}
	return sum
}

// commonWords are words that are common in English prose, code, JSON and paths.
const commonWords = ` the of and to in is that for it as with on be by this from or are an at not have was you your all can will ` +
	`has if when which they their there what use used using one more other some into only also than then any may must should ` +
	`would could about each these those such how who where why our its his her he she we us new first last time year people ` +
	`file files path name type string value data user users system server error errors function return import request response ` +
	`result results content text http https www com org net get set list read write create update delete add remove open close ` +
	`start end begin stop run running call called calls tool tools message messages input output number object array key keys true ` +
	`false null none default option options config configuration project directory folder version description title information ` +
	`example test tests code line lines page search query database table column row count size length date format method class ` +
	`public private static const var let def self async await export module package main init model models api token access ` +
	`available support provide provides required following include includes before after between through without please make ` +
	`need needs want like just know see find found show shows work works working change changes based process management service ` +
	`application information development environment installation documentation implementation parameters properties ` +
	`issue issues pull commit branch repository github github.com /home /usr /var /tmp /etc src lib bin node_modules readme.md ` +
	`.json .md .txt .py .js .ts .html .go index  company business market customer product products price order report email ` +
	`ation tions ing the ment ent  ing  ion  ed the  of the  in the  to the  and the  on the  for the  is a  of a  in a  with the ` +
	`instructions instruction previous security important system prompt password credentials secret account send sent `
